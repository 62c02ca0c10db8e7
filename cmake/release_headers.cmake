# Reads ONNX Runtime's official release archive, writes it unpacked under DIRECTORY/source.
#
#     cmake -DDIRECTORY=DIRECTORY -P release_headers.cmake
#
# A script of its own, so that a failed download does not end the configuration. Only the headers are used, so the
# archive's platform does not matter.

include(FetchContent)

FetchContent_Populate(
  onnxruntime
  URL "https://github.com/microsoft/onnxruntime/releases/download/v1.21.0/onnxruntime-linux-x64-1.21.0.tgz"
  URL_HASH SHA256=7485c7e7aac6501b27e353dcbe068e45c61ab51fbaf598d13970dfae669d20bf
  SOURCE_DIR "${DIRECTORY}/source"
  BINARY_DIR "${DIRECTORY}/binary"
  SUBBUILD_DIR "${DIRECTORY}/subbuild")
