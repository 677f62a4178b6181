// The defaults of optional fields, in one place: those of Keras 3.
#pragma once

#include <cstdint>
#include <string>

#include "anneal/v1/network.pb.h"
#include "anneal/v1/optimizer.pb.h"
#include "anneal/v1/training.pb.h"

namespace anneal::defaults {

inline int64_t BatchSize(const v1::TrainingSpec& s) {
  return s.has_batch_size() ? s.batch_size() : 32;
}
inline int64_t Epochs(const v1::TrainingSpec& s) { return s.has_epochs() ? s.epochs() : 1; }
inline bool Shuffle(const v1::TrainingSpec& s) { return !s.has_shuffle() || s.shuffle(); }
inline std::string TrainSplit(const v1::TrainingSpec& s) {
  return s.dataset().split().empty() ? "train" : s.dataset().split();
}
inline std::string Monitor(const v1::EarlyStopping& s) {
  return s.monitor().empty() ? "val_loss" : s.monitor();
}

inline double LearningRate(const v1::Sgd& s) {
  return s.has_learning_rate() ? s.learning_rate() : 0.01;
}
template <typename AdamOrNadam>
double LearningRate(const AdamOrNadam& s) {
  return s.has_learning_rate() ? s.learning_rate() : 1e-3;
}
template <typename AdamOrNadam>
double Beta1(const AdamOrNadam& s) {
  return s.has_beta_1() ? s.beta_1() : 0.9;
}
template <typename AdamOrNadam>
double Beta2(const AdamOrNadam& s) {
  return s.has_beta_2() ? s.beta_2() : 0.999;
}
template <typename AdamOrNadam>
double OptimizerEpsilon(const AdamOrNadam& s) {
  return s.has_epsilon() ? s.epsilon() : 1e-7;
}

template <typename DenseOrConv2D>
bool UseBias(const DenseOrConv2D& s) {
  return !s.has_use_bias() || s.use_bias();
}

// The initializer of a kernel, or of a bias, with the default filled in: its kind is set.
inline v1::Initializer KernelInitializer(const v1::Initializer& s) {
  v1::Initializer initializer = s;
  if (s.kind_case() == v1::Initializer::KIND_NOT_SET) initializer.mutable_glorot_uniform();
  return initializer;
}
inline v1::Initializer BiasInitializer(const v1::Initializer& s) {
  v1::Initializer initializer = s;
  if (s.kind_case() == v1::Initializer::KIND_NOT_SET) initializer.mutable_zeros();
  return initializer;
}

inline double Momentum(const v1::BatchNormalization& s) {
  return s.has_momentum() ? s.momentum() : 0.99;
}
inline double Epsilon(const v1::BatchNormalization& s) {
  return s.has_epsilon() ? s.epsilon() : 1e-3;
}
inline bool Center(const v1::BatchNormalization& s) { return !s.has_center() || s.center(); }
inline bool Scale(const v1::BatchNormalization& s) { return !s.has_scale() || s.scale(); }

// A size with its default applied: width 0 means height; an absent size is `otherwise` both ways.
struct Size {
  int64_t height = 0;
  int64_t width = 0;
};
inline Size Resolve(bool present, const v1::Size2D& s, Size otherwise) {
  if (!present) return otherwise;
  return {s.height(), s.width() == 0 ? s.height() : s.width()};
}
inline Size KernelSize(const v1::Conv2D& s) {
  return Resolve(s.has_kernel_size(), s.kernel_size(), {0, 0});
}
inline Size Strides(const v1::Conv2D& s) { return Resolve(s.has_strides(), s.strides(), {1, 1}); }
inline Size PoolSize(const v1::MaxPooling2D& s) {
  return Resolve(s.has_pool_size(), s.pool_size(), {2, 2});
}
inline Size Strides(const v1::MaxPooling2D& s) {
  return Resolve(s.has_strides(), s.strides(), PoolSize(s));
}

inline double Stddev(const v1::Initializer::RandomNormal& s) {
  return s.has_stddev() ? s.stddev() : 0.05;
}
inline double Stddev(const v1::Initializer::TruncatedNormal& s) {
  return s.has_stddev() ? s.stddev() : 0.05;
}
inline double Minval(const v1::Initializer::RandomUniform& s) {
  return s.has_minval() ? s.minval() : -0.05;
}
inline double Maxval(const v1::Initializer::RandomUniform& s) {
  return s.has_maxval() ? s.maxval() : 0.05;
}
inline double Scale(const v1::Initializer::VarianceScaling& s) {
  return s.has_scale() ? s.scale() : 1.0;
}

}  // namespace anneal::defaults
