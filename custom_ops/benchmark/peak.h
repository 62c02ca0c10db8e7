// The multiply-add peak of an instruction set, from independent chains of FMAs in registers.
#pragma once

namespace zaponnx {

class Team;

// GMAC/s of all threads of `team` together, over about a millisecond.
double peak_gmacs(const char* isa, const Team& team);

}  // namespace zaponnx
