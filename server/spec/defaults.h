// The defaults of optional fields, in one place: those of Keras 3.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "anneal/v1/network.pb.h"
#include "anneal/v1/optimizer.pb.h"
#include "anneal/v1/prediction.pb.h"
#include "anneal/v1/search.pb.h"
#include "anneal/v1/training.pb.h"
#include "server/spec/limits.h"

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

inline int64_t Samples(const v1::Diagnostics& s) { return s.has_samples() ? s.samples() : 1000; }
inline double Power(const v1::Pruning::PolynomialSparsity& s) {
  return s.has_power() ? s.power() : 3.0;
}
inline int64_t Frequency(const v1::Pruning::PolynomialSparsity& s) {
  return s.has_frequency() ? s.frequency() : 100;
}

inline int64_t Samples(const v1::PredictionSpec& s) { return s.has_samples() ? s.samples() : 100; }

// `batches`: of an epoch.
inline int64_t Steps(const v1::LearningRateRangeTest& s, int64_t batches) {
  return s.has_steps()
             ? s.steps()
             : std::clamp(batches, limits::kFewestRangeTestSteps, limits::kRangeTestSteps);
}
inline double MinLearningRate(const v1::LearningRateRangeTest& s) {
  return s.has_min_learning_rate() ? s.min_learning_rate() : 1e-5;
}
inline double MaxLearningRate(const v1::LearningRateRangeTest& s) {
  return s.has_max_learning_rate() ? s.max_learning_rate() : 10.0;
}
inline double Smoothing(const v1::LearningRateRangeTest& s) {
  return s.has_smoothing() ? s.smoothing() : 0.98;
}
inline double DivergenceFactor(const v1::LearningRateRangeTest& s) {
  return s.has_divergence_factor() ? s.divergence_factor() : 4.0;
}
inline std::string Monitor(const v1::Sweep& s, const v1::TrainingSpec& training) {
  if (!s.monitor().empty()) return s.monitor();
  return training.has_validation() ? "val_loss" : "loss";
}

inline double LearningRate(const v1::Sgd& s) {
  return s.has_learning_rate() ? s.learning_rate() : 0.01;
}
// Of every optimizer but Sgd.
template <typename Spec>
double LearningRate(const Spec& s) {
  return s.has_learning_rate() ? s.learning_rate() : 1e-3;
}
template <typename Spec>
double Beta1(const Spec& s) {
  return s.has_beta_1() ? s.beta_1() : 0.9;
}
inline double Beta2(const v1::Lion& s) { return s.has_beta_2() ? s.beta_2() : 0.99; }
template <typename Spec>
double Beta2(const Spec& s) {
  return s.has_beta_2() ? s.beta_2() : 0.999;
}
template <typename Spec>
double OptimizerEpsilon(const Spec& s) {
  return s.has_epsilon() ? s.epsilon() : 1e-7;
}
inline double Rho(const v1::RmsProp& s) { return s.has_rho() ? s.rho() : 0.9; }
inline double Rho(const v1::Adadelta& s) { return s.has_rho() ? s.rho() : 0.95; }
inline double InitialAccumulatorValue(const v1::Adagrad& s) {
  return s.has_initial_accumulator_value() ? s.initial_accumulator_value() : 0.1;
}
inline double WeightDecay(const v1::Optimizer& s) {
  return s.has_weight_decay() ? s.weight_decay() : s.has_adamw() ? 0.004 : 0.0;
}

inline double EndLearningRate(const v1::LearningRateSchedule::PolynomialDecay& s) {
  return s.has_end_learning_rate() ? s.end_learning_rate() : 1e-4;
}
inline double Power(const v1::LearningRateSchedule::PolynomialDecay& s) {
  return s.has_power() ? s.power() : 1.0;
}
inline double TMul(const v1::LearningRateSchedule::CosineDecayRestarts& s) {
  return s.has_t_mul() ? s.t_mul() : 2.0;
}
inline double MMul(const v1::LearningRateSchedule::CosineDecayRestarts& s) {
  return s.has_m_mul() ? s.m_mul() : 1.0;
}
inline std::string Monitor(const v1::LearningRateSchedule::ReduceOnPlateau& s) {
  return s.monitor().empty() ? "val_loss" : s.monitor();
}
inline double Factor(const v1::LearningRateSchedule::ReduceOnPlateau& s) {
  return s.has_factor() ? s.factor() : 0.1;
}
inline int64_t Patience(const v1::LearningRateSchedule::ReduceOnPlateau& s) {
  return s.has_patience() ? s.patience() : 10;
}
inline double MinDelta(const v1::LearningRateSchedule::ReduceOnPlateau& s) {
  return s.has_min_delta() ? s.min_delta() : 1e-4;
}

inline double Delta(const v1::Huber& s) { return s.has_delta() ? s.delta() : 1.0; }
inline int64_t K(const v1::TopKAccuracy& s) { return s.has_k() ? s.k() : 5; }

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
template <typename Normalization>
double Epsilon(const Normalization& s) {
  return s.has_epsilon() ? s.epsilon() : 1e-3;
}
template <typename Normalization>
bool Center(const Normalization& s) {
  return !s.has_center() || s.center();
}
template <typename Normalization>
bool Scale(const Normalization& s) {
  return !s.has_scale() || s.scale();
}

// Infinite where there is none.
inline double MaxValue(const v1::ReLU& s) {
  return s.has_max_value() ? s.max_value() : std::numeric_limits<double>::infinity();
}
inline double NegativeSlope(const v1::LeakyReLU& s) {
  return s.has_negative_slope() ? s.negative_slope() : 0.3;
}
inline v1::Initializer AlphaInitializer(const v1::PReLU& s) {
  return BiasInitializer(s.alpha_initializer());
}
inline double Lower(const v1::RReLU& s) { return s.has_lower() ? s.lower() : 1.0 / 8; }
inline double Upper(const v1::RReLU& s) { return s.has_upper() ? s.upper() : 1.0 / 3; }
inline double Alpha(const v1::ELU& s) { return s.has_alpha() ? s.alpha() : 1.0; }

// Of an L1 or L2.
template <typename Penalty>
double Factor(const Penalty& s) {
  return s.has_factor() ? s.factor() : 0.01;
}
inline double MaxValue(const v1::Constraint::MaxNorm& s) {
  return s.has_max_value() ? s.max_value() : 2.0;
}

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
inline Size DilationRate(const v1::Conv2D& s) {
  return Resolve(s.has_dilation_rate(), s.dilation_rate(), {1, 1});
}
inline int64_t Groups(const v1::Conv2D& s) { return s.has_groups() ? s.groups() : 1; }
// Of a MaxPooling2D or AveragePooling2D.
template <typename Pooling>
Size PoolSize(const Pooling& s) {
  return Resolve(s.has_pool_size(), s.pool_size(), {2, 2});
}
template <typename Pooling>
Size Strides(const Pooling& s) {
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
// Of an Identity or Orthogonal.
template <typename Matrix>
double Gain(const Matrix& s) {
  return s.has_gain() ? s.gain() : 1.0;
}

}  // namespace anneal::defaults
