// How near two threads are to one another.
#pragma once

namespace zaponnx {

// Nanoseconds until a cache line that one thread has written is back from another one, which has written it, too; the
// median of some thousand times. Two cores with a cache in common take a fraction of what others do.
double handover_ns();

}  // namespace zaponnx
