// The transforms of Winograd's minimal filtering along one axis, for m = 2 and m = 4 outputs of 3 taps:
//
//   outputs = A (G taps * B inputs)      with m + 2 inputs and elementwise products instead of 3 m
//
// Along both axes in turn, they give an m x m tile of a 3 x 3 convolution by (m + 2)^2 products instead of 9 m^2 (Lavin
// and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). The matrices follow from the points at which
// polynomials are multiplied: 0, 1, -1 and infinity for m = 2; 0, +-sqrt(1/2), +-sqrt(2) and infinity for m = 4, where
// the usual 0, +-1, +-2 and infinity gave 3 times the error. Vectors hold channels.
#pragma once

#include <array>
#include <cstddef>

namespace zaponnx {

constexpr float kSqrtHalf = 0.70710678118654752f;

// B, in place on d[0], d[Step], ...
template <typename Isa, int Outputs, int Step>
void transform_inputs(typename Isa::Vector* d) {
  using V = typename Isa::Vector;
  if constexpr (Outputs == 2) {
    const V d0 = d[0], d1 = d[Step], d2 = d[2 * Step], d3 = d[3 * Step];
    d[0] = Isa::sub(d0, d2);
    d[Step] = Isa::add(d1, d2);
    d[2 * Step] = Isa::sub(d2, d1);
    d[3 * Step] = Isa::sub(d1, d3);
  } else {
    const V d0 = d[0], d1 = d[Step], d2 = d[2 * Step], d3 = d[3 * Step], d4 = d[4 * Step], d5 = d[5 * Step];
    const V low_even = Isa::fma(Isa::broadcast(-2), d2, d4);
    const V low_odd = Isa::fma(Isa::broadcast(-2), d1, d3);
    const V high_even = Isa::fma(Isa::broadcast(-0.5f), d2, d4);
    const V high_odd = Isa::fma(Isa::broadcast(-0.5f), d1, d3);
    const V ends = Isa::broadcast(-2.5f);
    d[0] = Isa::fma(ends, d2, Isa::add(d0, d4));
    d[Step] = Isa::fma(Isa::broadcast(kSqrtHalf), low_odd, low_even);
    d[2 * Step] = Isa::fma(Isa::broadcast(-kSqrtHalf), low_odd, low_even);
    d[3 * Step] = Isa::fma(Isa::broadcast(2 * kSqrtHalf), high_odd, high_even);
    d[4 * Step] = Isa::fma(Isa::broadcast(-2 * kSqrtHalf), high_odd, high_even);
    d[5 * Step] = Isa::fma(ends, d3, Isa::add(d1, d5));
  }
}

// A, in place; the outputs are the first m.
template <typename Isa, int Outputs, int Step>
void transform_products(typename Isa::Vector* d) {
  using V = typename Isa::Vector;
  if constexpr (Outputs == 2) {
    const V d1 = d[Step], d2 = d[2 * Step];
    d[0] = Isa::add(Isa::add(d[0], d1), d2);
    d[Step] = Isa::sub(Isa::sub(d1, d2), d[3 * Step]);
  } else {
    const V sum1 = Isa::add(d[Step], d[2 * Step]), difference1 = Isa::sub(d[Step], d[2 * Step]);
    const V sum2 = Isa::add(d[3 * Step], d[4 * Step]), difference2 = Isa::sub(d[3 * Step], d[4 * Step]);
    d[0] = Isa::add(Isa::add(d[0], sum1), sum2);
    d[Step] = Isa::mul(Isa::broadcast(kSqrtHalf), Isa::fma(Isa::broadcast(2), difference2, difference1));
    d[2 * Step] = Isa::fma(Isa::broadcast(0.5f), sum1, Isa::add(sum2, sum2));
    d[3 * Step] =
        Isa::fma(Isa::broadcast(kSqrtHalf / 2), Isa::fma(Isa::broadcast(8), difference2, difference1), d[5 * Step]);
  }
}

// The transform of 3 taps, from[0], from[step], ..., to m + 2 values, to[0], to[to_step], ..., each of many lanes.
template <int Outputs, size_t Lanes>
void transform_taps(const std::array<double, Lanes>* from, int step, std::array<double, Lanes>* to, int to_step) {
  for (size_t lane = 0; lane < Lanes; ++lane) {
    const double g0 = from[0][lane];
    const double g1 = from[step][lane];
    const double g2 = from[2 * step][lane];
    to[0][lane] = g0;
    if constexpr (Outputs == 2) {
      to[to_step][lane] = (g0 + g1 + g2) / 2;
      to[2 * to_step][lane] = (g0 - g1 + g2) / 2;
    } else {
      constexpr double kExactSqrtHalf = 0.70710678118654752440;
      constexpr double kThird = 1.0 / 3;  // to multiply by: divisions would take most of the time
      const double odd = kExactSqrtHalf * g1;
      to[to_step][lane] = -(2 * (g0 + odd) + g2) * kThird;
      to[2 * to_step][lane] = -(2 * (g0 - odd) + g2) * kThird;
      to[3 * to_step][lane] = (g0 / 2 + odd + g2) * kThird;
      to[4 * to_step][lane] = (g0 / 2 - odd + g2) * kThird;
    }
    to[(Outputs + 1) * to_step][lane] = g2;
  }
}

}  // namespace zaponnx
