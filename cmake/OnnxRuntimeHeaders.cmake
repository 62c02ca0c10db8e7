# Sets the cache variable ONNXRUNTIME_INCLUDE_DIR, the directory of ONNX Runtime's C++ headers.
#
# Tried in this order:
#   1. -DONNXRUNTIME_INCLUDE_DIR=DIRECTORY
#   2. the system's headers
#   3. the distribution's package libonnxruntime-dev, unpacked under the build tree
#   4. the official release archive, unpacked under the build tree
# Headers older than 1.21 are passed over. The result is cached: configuring again looks nowhere.

# A validator of find_path: sets `result` to whether a directory has the headers, and recent ones.
function(zaponnx_has_recent_headers result directory)
  set(header "${directory}/onnxruntime_c_api.h")
  set(${result} FALSE PARENT_SCOPE)
  if(EXISTS "${directory}/onnxruntime_cxx_api.h" AND EXISTS "${header}")
    file(STRINGS "${header}" line REGEX "^#define ORT_API_VERSION [0-9]+" LIMIT_COUNT 1)
    string(REGEX MATCH "[0-9]+" version "${line}")
    if(version GREATER_EQUAL 21)
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endif()
endfunction()

if(ONNXRUNTIME_INCLUDE_DIR)
  zaponnx_has_recent_headers(recent "${ONNXRUNTIME_INCLUDE_DIR}")
  if(NOT recent)
    message(FATAL_ERROR "ONNXRUNTIME_INCLUDE_DIR=${ONNXRUNTIME_INCLUDE_DIR} has no onnxruntime_cxx_api.h of 1.21 or later")
  endif()
endif()

find_path(
  ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
  PATH_SUFFIXES onnxruntime onnxruntime/core/session
  VALIDATOR zaponnx_has_recent_headers
  DOC "Directory of ONNX Runtime's C++ headers")

if(NOT ONNXRUNTIME_INCLUDE_DIR)
  message(STATUS "Fetching ONNX Runtime's headers by way of apt")
  execute_process(
    COMMAND "${CMAKE_CURRENT_LIST_DIR}/apt_headers.sh" "${PROJECT_BINARY_DIR}/onnxruntime-apt"
    OUTPUT_FILE "${PROJECT_BINARY_DIR}/onnxruntime-apt.log" ERROR_FILE "${PROJECT_BINARY_DIR}/onnxruntime-apt.log")
  find_path(
    ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
    PATHS "${PROJECT_BINARY_DIR}/onnxruntime-apt/usr/include"
    PATH_SUFFIXES onnxruntime onnxruntime/core/session
    VALIDATOR zaponnx_has_recent_headers
    NO_DEFAULT_PATH)
endif()

if(NOT ONNXRUNTIME_INCLUDE_DIR)
  message(STATUS "Fetching ONNX Runtime's headers from its release archive")
  execute_process(
    COMMAND
      "${CMAKE_COMMAND}" "-DDIRECTORY=${PROJECT_BINARY_DIR}/onnxruntime-release" "-DCMAKE_GENERATOR=${CMAKE_GENERATOR}"
      "-DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM}" -P "${CMAKE_CURRENT_LIST_DIR}/release_headers.cmake"
    OUTPUT_FILE "${PROJECT_BINARY_DIR}/onnxruntime-release.log"
    ERROR_FILE "${PROJECT_BINARY_DIR}/onnxruntime-release.log")
  find_path(
    ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
    PATHS "${PROJECT_BINARY_DIR}/onnxruntime-release/source/include"
    VALIDATOR zaponnx_has_recent_headers
    NO_DEFAULT_PATH)
endif()

if(NOT ONNXRUNTIME_INCLUDE_DIR)
  message(
    FATAL_ERROR
      "ONNX Runtime's C++ headers were not found and could not be fetched (see onnxruntime-*.log in "
      "${PROJECT_BINARY_DIR}). Remedies, any one of them:\n"
      "  - install them: apt install libonnxruntime-dev, or your package manager's onnxruntime\n"
      "  - make this machine's apt sources or github.com reachable, and run this again\n"
      "  - unpack a release archive of ONNX Runtime (1.21 or later) and pass -DONNXRUNTIME_INCLUDE_DIR=.../include\n"
      "    (with pip: -C cmake.define.ONNXRUNTIME_INCLUDE_DIR=.../include)")
endif()

message(STATUS "ONNX Runtime's headers: ${ONNXRUNTIME_INCLUDE_DIR}")
