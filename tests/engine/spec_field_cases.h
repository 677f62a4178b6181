// For every field of a job spec, a spec in which its value shows.
//
// A text has one group <A|B|...>: the alternatives, which differ in nothing but the field and must
// give different trainings, each from every other. An alternative that begins with ! must be
// refused instead. LIST stands for all activations but ELU, which is CELU with its alpha of 1.
#pragma once

namespace anneal {

// Where a case's text belongs. The rest of the spec is filled in.
enum class Place {
  kJob,        // the whole job file
  kTraining,   // in `training`
  kOptimizer,  // in `training.optimizer`
  kImage,      // a layer over the images: x, Flatten, Dense
  kVector,     // a layer over vectors with values of both signs: Flatten, Dense, x, Dense
};

struct SpecFieldCase {
  const char* field;  // "Dense.units", or a oneof, "Layer.kind": each of its members
  Place place;
  const char* text;
};

inline constexpr SpecFieldCase kRunCases[] = {
    {"JobSpec.name", Place::kJob, "name: '<a|!a\\007>' training {}"},
    {"JobSpec.kind", Place::kJob, "name: 'a' <training {}|!>"},
    {"DatasetSplit.name", Place::kTraining, "dataset { name: '<small|inverted|!unknown>' }"},
    {"DatasetSplit.split", Place::kTraining,
     "dataset { name: 'small' split: '<train|test>' } validation { fraction: 0.1 }"},
    {"Validation.source", Place::kTraining,
     "validation { <fraction: 0.1|fraction: 0.2|first: 6|first: 7|split: 'test'|!split: 'train'> "
     "}"},
    {"TestSplit.split", Place::kTraining, "test { split: '<train|test>' }"},
    {"TrainingSpec.batch_size", Place::kTraining, "<batch_size: 20|batch_size: 7>"},
    {"TrainingSpec.epochs", Place::kTraining, "<epochs: 1|epochs: 2|epochs: 3>"},
    {"TrainingSpec.seed", Place::kTraining, "<seed: 1|seed: 2>"},
    {"TrainingSpec.shuffle", Place::kTraining, "<|shuffle: false>"},
    {"TrainingSpec.device", Place::kTraining, "device: '<auto|!tpu>'"},
    {"TopKAccuracy.k", Place::kTraining, "metrics { top_k_accuracy { k: <2|3> } }"},
    {"EarlyStopping.monitor", Place::kTraining,
     "epochs: 6 early_stopping { monitor: '<loss|accuracy>' min_delta: 0.1 }"},
    {"EarlyStopping.min_delta", Place::kTraining,
     "epochs: 6 early_stopping { min_delta: <0|100> patience: 1 }"},
    {"EarlyStopping.patience", Place::kTraining,
     "epochs: 6 early_stopping { min_delta: 100 patience: <1|2> }"},
    {"EarlyStopping.mode", Place::kTraining,
     "epochs: 6 early_stopping { monitor: 'loss' patience: 1 mode: <AUTO|MAX> }"},
    {"EarlyStopping.mode", Place::kTraining,
     "epochs: 6 early_stopping { monitor: 'accuracy' patience: 1 mode: <AUTO|MIN> }"},
    {"EarlyStopping.restore_best_weights", Place::kTraining,
     "epochs: 6 early_stopping { min_delta: 100 patience: 2 restore_best_weights: <false|true> }"},
    {"EarlyStopping.start_from_epoch", Place::kTraining,
     "epochs: 6 early_stopping { min_delta: 100 patience: 1 start_from_epoch: <0|2> }"},
};

inline constexpr SpecFieldCase kInputCases[] = {
    {"InputStep.kind", Place::kTraining,
     "input { rescale { factor: 0.01 } } "
     "input { <rescale { factor: 0.5 }|standardize {}|standardize_per_channel {}"
     "|l2_normalize { axis: 1 }|random_flip {}|random_translation { height_factor: 0.25 }> }"},
    {"Rescale.factor", Place::kTraining, "input { rescale { factor: <0.01|0.02> } }"},
    {"Rescale.offset", Place::kTraining, "input { rescale { factor: 0.01 offset: <0|0.5> } }"},
    {"L2Normalize.axis", Place::kTraining, "input { l2_normalize { axis: <1|2|3|!4> } }"},
    {"RandomTranslation.height_factor", Place::kTraining,
     "input { rescale { factor: 0.01 } } input { random_translation { height_factor: <0|0.25> } }"},
    {"RandomTranslation.width_factor", Place::kTraining,
     "input { rescale { factor: 0.01 } } input { random_translation { width_factor: <0|0.25> } }"},
};

inline constexpr SpecFieldCase kLossCases[] = {
    {"Loss.kind", Place::kTraining,
     "network { layers { flatten {} } layers { dense { units: 4 } } } "
     "loss { <sparse_categorical_crossentropy { from_logits: true }"
     "|categorical_crossentropy { from_logits: true label_smoothing: 0.1 }"
     "|binary_crossentropy { from_logits: true }|mean_squared_error {}|mean_absolute_error {}"
     "|huber { delta: 0.1 }> }"},
    {"SparseCategoricalCrossentropy.from_logits", Place::kTraining,
     "loss { sparse_categorical_crossentropy { from_logits: <false|!true> } }"},
    {"CategoricalCrossentropy.from_logits", Place::kTraining,
     "loss { categorical_crossentropy { from_logits: <false|!true> } }"},
    {"CategoricalCrossentropy.label_smoothing", Place::kTraining,
     "loss { categorical_crossentropy { label_smoothing: <0|0.1> } }"},
    {"BinaryCrossentropy.from_logits", Place::kTraining,
     "network { layers { flatten {} } layers { dense { units: 4 activation: SIGMOID } } } "
     "loss { binary_crossentropy { from_logits: <false|!true> } }"},
    {"BinaryCrossentropy.label_smoothing", Place::kTraining,
     "network { layers { flatten {} } layers { dense { units: 4 activation: SIGMOID } } } "
     "loss { binary_crossentropy { label_smoothing: <0|0.1> } }"},
    {"Huber.delta", Place::kTraining, "loss { huber { <|delta: 0.1> } }"},
};

inline constexpr SpecFieldCase kOptimizerCases[] = {
    {"Optimizer.kind", Place::kOptimizer,
     "<sgd {}|rmsprop {}|adagrad {}|adadelta {}|adam {}|adamw {}|adamax {}|nadam {}|lion {}>"},
    {"Optimizer.weight_decay", Place::kOptimizer, "sgd {} <|weight_decay: 0.1>"},
    {"Optimizer.weight_decay", Place::kOptimizer, "adamw {} <|weight_decay: 0>"},
    {"Optimizer.clipnorm", Place::kOptimizer, "sgd {} <|clipnorm: 0.01>"},
    {"Optimizer.clipvalue", Place::kOptimizer, "sgd {} <|clipvalue: 0.01>"},
    {"Optimizer.global_clipnorm", Place::kOptimizer, "sgd {} <|global_clipnorm: 0.01>"},
    {"Sgd.learning_rate", Place::kOptimizer, "sgd { <|learning_rate: 0.02> }"},
    {"Sgd.momentum", Place::kOptimizer, "sgd { momentum: <0|0.5> }"},
    {"Sgd.nesterov", Place::kOptimizer, "sgd { momentum: 0.5 nesterov: <false|true> }"},
    {"RmsProp.learning_rate", Place::kOptimizer, "rmsprop { <|learning_rate: 0.02> }"},
    {"RmsProp.rho", Place::kOptimizer, "rmsprop { <|rho: 0.5> }"},
    {"RmsProp.momentum", Place::kOptimizer, "rmsprop { momentum: <0|0.5> }"},
    {"RmsProp.epsilon", Place::kOptimizer, "rmsprop { <|epsilon: 0.1> }"},
    {"RmsProp.centered", Place::kOptimizer, "rmsprop { centered: <false|true> }"},
    {"Adagrad.learning_rate", Place::kOptimizer, "adagrad { <|learning_rate: 0.02> }"},
    {"Adagrad.initial_accumulator_value", Place::kOptimizer,
     "adagrad { <|initial_accumulator_value: 0.5> }"},
    {"Adagrad.epsilon", Place::kOptimizer, "adagrad { <|epsilon: 0.1> }"},
    {"Adadelta.learning_rate", Place::kOptimizer, "adadelta { <|learning_rate: 0.02> }"},
    {"Adadelta.rho", Place::kOptimizer, "adadelta { learning_rate: 1 <|rho: 0.5> }"},
    {"Adadelta.epsilon", Place::kOptimizer, "adadelta { <|epsilon: 0.1> }"},
    {"Adam.learning_rate", Place::kOptimizer, "adam { <|learning_rate: 0.02> }"},
    {"Adam.beta_1", Place::kOptimizer, "adam { <|beta_1: 0.5> }"},
    {"Adam.beta_2", Place::kOptimizer, "adam { <|beta_2: 0.5> }"},
    {"Adam.epsilon", Place::kOptimizer, "adam { <|epsilon: 0.1> }"},
    {"Adam.amsgrad", Place::kOptimizer, "adam { beta_2: 0.5 amsgrad: <false|true> }"},
    {"AdamW.learning_rate", Place::kOptimizer, "adamw { <|learning_rate: 0.02> }"},
    {"AdamW.beta_1", Place::kOptimizer, "adamw { <|beta_1: 0.5> }"},
    {"AdamW.beta_2", Place::kOptimizer, "adamw { <|beta_2: 0.5> }"},
    {"AdamW.epsilon", Place::kOptimizer, "adamw { <|epsilon: 0.1> }"},
    {"AdamW.amsgrad", Place::kOptimizer, "adamw { beta_2: 0.5 amsgrad: <false|true> }"},
    {"Adamax.learning_rate", Place::kOptimizer, "adamax { <|learning_rate: 0.02> }"},
    {"Adamax.beta_1", Place::kOptimizer, "adamax { <|beta_1: 0.5> }"},
    {"Adamax.beta_2", Place::kOptimizer, "adamax { <|beta_2: 0.5> }"},
    {"Adamax.epsilon", Place::kOptimizer, "adamax { <|epsilon: 0.1> }"},
    {"Nadam.learning_rate", Place::kOptimizer, "nadam { <|learning_rate: 0.02> }"},
    {"Nadam.beta_1", Place::kOptimizer, "nadam { <|beta_1: 0.5> }"},
    {"Nadam.beta_2", Place::kOptimizer, "nadam { <|beta_2: 0.5> }"},
    {"Nadam.epsilon", Place::kOptimizer, "nadam { <|epsilon: 0.1> }"},
    {"Lion.learning_rate", Place::kOptimizer, "lion { <|learning_rate: 0.02> }"},
    {"Lion.beta_1", Place::kOptimizer, "lion { <|beta_1: 0.1> }"},
    {"Lion.beta_2", Place::kOptimizer, "lion { <|beta_2: 0.1> }"},
};

// A case has six steps in two epochs, unless it says otherwise.
inline constexpr SpecFieldCase kScheduleCases[] = {
    {"LearningRateSchedule.kind", Place::kOptimizer,
     "sgd { learning_rate: 0.1 } schedule { <exponential_decay { decay_steps: 3 decay_rate: 0.5 }"
     "|inverse_time_decay { decay_steps: 3 decay_rate: 0.5 }|polynomial_decay { decay_steps: 6 }"
     "|piecewise_constant_decay { boundaries: 2 values: 0.05 }|cosine_decay { decay_steps: 6 }"
     "|cosine_decay_restarts { first_decay_steps: 2 }|one_cycle {}|reduce_on_plateau {}> }"},
    {"LearningRateSchedule.ExponentialDecay.decay_steps", Place::kOptimizer,
     "sgd {} schedule { exponential_decay { decay_steps: <2|3> decay_rate: 0.5 } }"},
    {"LearningRateSchedule.ExponentialDecay.decay_rate", Place::kOptimizer,
     "sgd {} schedule { exponential_decay { decay_steps: 2 decay_rate: <0.5|0.4> } }"},
    {"LearningRateSchedule.ExponentialDecay.staircase", Place::kOptimizer,
     "sgd {} schedule { exponential_decay { decay_steps: 2 decay_rate: 0.5 "
     "staircase: <false|true> } }"},
    {"LearningRateSchedule.InverseTimeDecay.decay_steps", Place::kOptimizer,
     "sgd {} schedule { inverse_time_decay { decay_steps: <2|3> decay_rate: 0.5 } }"},
    {"LearningRateSchedule.InverseTimeDecay.decay_rate", Place::kOptimizer,
     "sgd {} schedule { inverse_time_decay { decay_steps: 2 decay_rate: <0.5|0.4> } }"},
    {"LearningRateSchedule.InverseTimeDecay.staircase", Place::kOptimizer,
     "sgd {} schedule { inverse_time_decay { decay_steps: 2 decay_rate: 0.5 "
     "staircase: <false|true> } }"},
    {"LearningRateSchedule.PolynomialDecay.decay_steps", Place::kOptimizer,
     "sgd {} schedule { polynomial_decay { decay_steps: <2|3> } }"},
    {"LearningRateSchedule.PolynomialDecay.end_learning_rate", Place::kOptimizer,
     "sgd {} schedule { polynomial_decay { decay_steps: 2 <|end_learning_rate: 0.005> } }"},
    {"LearningRateSchedule.PolynomialDecay.power", Place::kOptimizer,
     "sgd {} schedule { polynomial_decay { decay_steps: 6 <|power: 2> } }"},
    {"LearningRateSchedule.PolynomialDecay.cycle", Place::kOptimizer,
     "sgd {} schedule { polynomial_decay { decay_steps: 2 cycle: <false|true> } }"},
    {"LearningRateSchedule.PiecewiseConstantDecay.boundaries", Place::kOptimizer,
     "sgd {} schedule { piecewise_constant_decay { boundaries: <2|3> values: 0.1 } }"},
    {"LearningRateSchedule.PiecewiseConstantDecay.values", Place::kOptimizer,
     "sgd {} schedule { piecewise_constant_decay { boundaries: 2 values: <0.1|0.2> } }"},
    {"LearningRateSchedule.CosineDecay.decay_steps", Place::kOptimizer,
     "sgd {} schedule { cosine_decay { decay_steps: <4|5> } }"},
    {"LearningRateSchedule.CosineDecay.alpha", Place::kOptimizer,
     "sgd {} schedule { cosine_decay { decay_steps: 4 alpha: <0|0.5> } }"},
    {"LearningRateSchedule.CosineDecay.warmup_target", Place::kOptimizer,
     "sgd {} schedule { cosine_decay { decay_steps: 4 warmup_steps: 2 "
     "warmup_target: <0.1|0.2|!0> } }"},
    {"LearningRateSchedule.CosineDecay.warmup_steps", Place::kOptimizer,
     "sgd {} schedule { cosine_decay { decay_steps: 4 warmup_target: 0.1 warmup_steps: <1|2> } }"},
    {"LearningRateSchedule.CosineDecayRestarts.first_decay_steps", Place::kOptimizer,
     "sgd {} schedule { cosine_decay_restarts { first_decay_steps: <2|3> } }"},
    {"LearningRateSchedule.CosineDecayRestarts.t_mul", Place::kOptimizer,
     "sgd {} schedule { cosine_decay_restarts { first_decay_steps: 2 <|t_mul: 1> } }"},
    {"LearningRateSchedule.CosineDecayRestarts.m_mul", Place::kOptimizer,
     "sgd {} schedule { cosine_decay_restarts { first_decay_steps: 2 <|m_mul: 0.5> } }"},
    {"LearningRateSchedule.CosineDecayRestarts.alpha", Place::kOptimizer,
     "sgd {} schedule { cosine_decay_restarts { first_decay_steps: 2 alpha: <0|0.5> } }"},
    {"LearningRateSchedule.ReduceOnPlateau.monitor", Place::kTraining,
     "epochs: 4 optimizer { sgd { learning_rate: 0.1 } schedule { reduce_on_plateau { patience: 1 "
     "min_delta: 0.1 monitor: '<loss|accuracy>' } } }"},
    {"LearningRateSchedule.ReduceOnPlateau.factor", Place::kTraining,
     "epochs: 4 optimizer { sgd {} schedule { reduce_on_plateau { patience: 1 min_delta: 100 "
     "<|factor: 0.5> } } }"},
    {"LearningRateSchedule.ReduceOnPlateau.patience", Place::kTraining,
     "epochs: 4 optimizer { sgd {} schedule { reduce_on_plateau { min_delta: 100 "
     "<|patience: 1|patience: 2> } } }"},
    {"LearningRateSchedule.ReduceOnPlateau.min_delta", Place::kTraining,
     "epochs: 4 optimizer { sgd {} schedule { reduce_on_plateau { patience: 1 "
     "<|min_delta: 100> } } }"},
    {"LearningRateSchedule.ReduceOnPlateau.cooldown", Place::kTraining,
     "epochs: 4 optimizer { sgd {} schedule { reduce_on_plateau { patience: 1 min_delta: 100 "
     "cooldown: <0|2> } } }"},
    {"LearningRateSchedule.ReduceOnPlateau.min_learning_rate", Place::kTraining,
     "epochs: 4 optimizer { sgd {} schedule { reduce_on_plateau { patience: 1 min_delta: 100 "
     "min_learning_rate: <0|0.005> } } }"},
};

inline constexpr SpecFieldCase kLayerCases[] = {
    {"Layer.name", Place::kVector, "name: '<a|b|!a/b>' dense { units: 4 }"},
    {"Layer.kind", Place::kVector,
     "<repeat { count: 2 layers { dense { units: 4 } } }|activation { function: TANH }"
     "|dense { units: 4 }|dropout { rate: 0.5 }|alpha_dropout { rate: 0.5 }"
     "|gaussian_noise { stddev: 0.5 }|batch_normalization {}|layer_normalization {}|relu {}"
     "|leaky_relu {}|prelu {}|rrelu {}|elu {}>"},
    {"Layer.kind", Place::kImage,
     "<flatten {}|conv2d { filters: 2 kernel_size { height: 2 } }|max_pooling2d {}"
     "|average_pooling2d {}|global_max_pooling2d {}|global_average_pooling2d {}"
     "|spatial_dropout2d { rate: 0.5 }|prelu { alpha_initializer { ones {} } }>"},
    {"Repeat.count", Place::kVector, "repeat { count: <1|2> layers { dense { units: 6 } } }"},
    {"Dense.units", Place::kVector, "repeat { count: 1 layers { dense { units: <4|5> } } }"},
    {"Activation.function", Place::kVector, "activation { function: <LIST> }"},
    {"Activation.function", Place::kVector, "activation { function: <RELU|ELU> }"},
    {"Dense.activation", Place::kVector, "dense { units: 6 activation: <LIST> }"},
    {"Dense.activation", Place::kVector, "dense { units: 6 activation: <RELU|ELU> }"},
    {"Dense.use_bias", Place::kVector, "dense { units: 6 <|use_bias: false> }"},
    {"Conv2D.filters", Place::kImage, "conv2d { filters: <2|3> kernel_size { height: 2 } }"},
    {"Conv2D.kernel_size", Place::kImage,
     "conv2d { filters: 2 kernel_size <{ height: 2 }|{ height: 3 }> }"},
    {"Conv2D.strides", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } <|strides { height: 2 }> }"},
    {"Conv2D.padding", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } padding: <VALID|SAME> }"},
    {"Conv2D.activation", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 4 } "
     "kernel_initializer { random_normal { stddev: 2 } } "
     "activation: <LINEAR|RELU|RELU6|LEAKY_RELU|SELU|CELU|GELU|SILU|MISH|SOFTPLUS|SOFTSIGN|TANH"
     "|SIGMOID|HARD_SIGMOID|HARD_SILU|EXPONENTIAL|!SOFTMAX|!LOG_SOFTMAX> }"},
    {"Conv2D.activation", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } activation: <RELU|ELU> }"},
    {"Conv2D.use_bias", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } <|use_bias: false> }"},
    {"Conv2D.dilation_rate", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } <|dilation_rate { height: 2 }> }"},
    {"Conv2D.groups", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } groups: <1|2> }"},
    {"Size2D.height", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: <2|3> width: 2 } }"},
    {"Size2D.width", Place::kImage, "conv2d { filters: 2 kernel_size { height: 2 width: <0|3> } }"},
    {"MaxPooling2D.pool_size", Place::kImage, "max_pooling2d { <|pool_size { height: 3 }> }"},
    {"MaxPooling2D.strides", Place::kImage, "max_pooling2d { <|strides { height: 1 }> }"},
    {"MaxPooling2D.padding", Place::kImage,
     "max_pooling2d { pool_size { height: 3 } padding: <VALID|SAME> }"},
    {"AveragePooling2D.pool_size", Place::kImage,
     "average_pooling2d { <|pool_size { height: 3 }> }"},
    {"AveragePooling2D.strides", Place::kImage, "average_pooling2d { <|strides { height: 1 }> }"},
    {"AveragePooling2D.padding", Place::kImage,
     "average_pooling2d { pool_size { height: 3 } padding: <VALID|SAME> }"},
    {"Dropout.rate", Place::kVector, "dropout { rate: <0|0.2|0.5> }"},
    {"AlphaDropout.rate", Place::kVector, "alpha_dropout { rate: <0|0.2|0.5> }"},
    {"SpatialDropout2D.rate", Place::kImage, "spatial_dropout2d { rate: <0|0.2|0.5> }"},
    {"GaussianNoise.stddev", Place::kVector, "gaussian_noise { stddev: <0|0.2|0.5> }"},
    {"BatchNormalization.momentum", Place::kVector, "batch_normalization { <|momentum: 0.5> }"},
    {"BatchNormalization.epsilon", Place::kVector, "batch_normalization { <|epsilon: 0.1> }"},
    {"BatchNormalization.center", Place::kVector, "batch_normalization { <|center: false> }"},
    {"BatchNormalization.scale", Place::kVector, "batch_normalization { <|scale: false> }"},
    {"LayerNormalization.epsilon", Place::kVector, "layer_normalization { <|epsilon: 0.1> }"},
    {"LayerNormalization.center", Place::kVector, "layer_normalization { <|center: false> }"},
    {"LayerNormalization.scale", Place::kVector, "layer_normalization { <|scale: false> }"},
    {"ReLU.max_value", Place::kVector, "relu { <|max_value: 1> }"},
    {"ReLU.negative_slope", Place::kVector, "relu { negative_slope: <0|0.1> }"},
    {"ReLU.threshold", Place::kVector, "relu { threshold: <0|0.5> }"},
    {"LeakyReLU.negative_slope", Place::kVector, "leaky_relu { <|negative_slope: 0.1> }"},
    {"PReLU.alpha_initializer", Place::kVector, "prelu { <|alpha_initializer { ones {} }> }"},
    {"PReLU.share_height_and_width", Place::kImage,
     "prelu { share_height_and_width: <false|true> }"},
    {"RReLU.lower", Place::kVector, "rrelu { <|lower: 0.2> }"},
    {"RReLU.upper", Place::kVector, "rrelu { <|upper: 0.2> }"},
    {"ELU.alpha", Place::kVector, "elu { <|alpha: 0.5> }"},
};

inline constexpr SpecFieldCase kWeightCases[] = {
    {"Dense.kernel_initializer", Place::kVector,
     "dense { units: 6 <|kernel_initializer { ones {} }> }"},
    {"Dense.bias_initializer", Place::kVector,
     "dense { units: 6 <|bias_initializer { ones {} }> }"},
    {"Dense.kernel_regularizer", Place::kVector,
     "dense { units: 6 <|kernel_regularizer { l2 {} }> }"},
    {"Dense.bias_regularizer", Place::kVector,
     "dense { units: 6 bias_initializer { ones {} } <|bias_regularizer { l2 {} }> }"},
    {"Dense.kernel_constraint", Place::kVector,
     "dense { units: 6 <|kernel_constraint { non_neg {} }> }"},
    {"Dense.bias_constraint", Place::kVector,
     "dense { units: 6 bias_initializer { ones {} } <|bias_constraint { unit_norm {} }> }"},
    {"Conv2D.kernel_initializer", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } <|kernel_initializer { ones {} }> }"},
    {"Conv2D.bias_initializer", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } <|bias_initializer { ones {} }> }"},
    {"Conv2D.kernel_regularizer", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } <|kernel_regularizer { l2 {} }> }"},
    {"Conv2D.bias_regularizer", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } bias_initializer { ones {} } "
     "<|bias_regularizer { l2 {} }> }"},
    {"Conv2D.kernel_constraint", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } <|kernel_constraint { non_neg {} }> }"},
    {"Conv2D.bias_constraint", Place::kImage,
     "conv2d { filters: 2 kernel_size { height: 2 } bias_initializer { ones {} } "
     "<|bias_constraint { unit_norm {} }> }"},

    {"Regularizer.kind", Place::kVector,
     "dense { units: 6 kernel_regularizer { <l1 {}|l2 {}|l1_l2 { l1: 0.1 l2: 0.1 }> } }"},
    {"Regularizer.L1.factor", Place::kVector,
     "dense { units: 6 kernel_regularizer { l1 { <|factor: 0.1> } } }"},
    {"Regularizer.L2.factor", Place::kVector,
     "dense { units: 6 kernel_regularizer { l2 { <|factor: 0.1> } } }"},
    {"Regularizer.L1L2.l1", Place::kVector,
     "dense { units: 6 kernel_regularizer { l1_l2 { l1: <0|0.1> l2: 0.1 } } }"},
    {"Regularizer.L1L2.l2", Place::kVector,
     "dense { units: 6 kernel_regularizer { l1_l2 { l1: 0.1 l2: <0|0.1> } } }"},
    {"Constraint.kind", Place::kVector,
     "dense { units: 6 kernel_constraint { <max_norm { max_value: 0.1 }|non_neg {}|unit_norm {}> } "
     "}"},
    {"Constraint.MaxNorm.max_value", Place::kVector,
     "dense { units: 6 kernel_constraint { max_norm { <max_value: 0.2|max_value: 0.1> } } }"},

    {"Initializer.kind", Place::kVector,
     "dense { units: 40 kernel_initializer { <zeros {}|ones {}|constant { value: 0.5 }|identity {}"
     "|random_normal {}|random_uniform {}|truncated_normal {}|variance_scaling { scale: 3 }"
     "|glorot_uniform {}|glorot_normal {}|he_uniform {}|he_normal {}|lecun_uniform {}"
     "|lecun_normal {}|orthogonal {}> } }"},
    {"Initializer.Constant.value", Place::kVector,
     "dense { units: 6 kernel_initializer { constant { value: <0|0.1> } } }"},
    {"Initializer.Identity.gain", Place::kVector,
     "dense { units: 6 kernel_initializer { identity { <|gain: 0.5> } } }"},
    {"Initializer.RandomNormal.mean", Place::kVector,
     "dense { units: 6 kernel_initializer { random_normal { mean: <0|0.1> } } }"},
    {"Initializer.RandomNormal.stddev", Place::kVector,
     "dense { units: 6 kernel_initializer { random_normal { <|stddev: 0.1> } } }"},
    {"Initializer.RandomUniform.minval", Place::kVector,
     "dense { units: 6 kernel_initializer { random_uniform { <|minval: 0> } } }"},
    {"Initializer.RandomUniform.maxval", Place::kVector,
     "dense { units: 6 kernel_initializer { random_uniform { <|maxval: 0.1> } } }"},
    {"Initializer.TruncatedNormal.mean", Place::kVector,
     "dense { units: 6 kernel_initializer { truncated_normal { mean: <0|0.1> } } }"},
    {"Initializer.TruncatedNormal.stddev", Place::kVector,
     "dense { units: 6 kernel_initializer { truncated_normal { <|stddev: 0.1> } } }"},
    {"Initializer.VarianceScaling.scale", Place::kVector,
     "dense { units: 6 kernel_initializer { variance_scaling { <|scale: 2> } } }"},
    {"Initializer.VarianceScaling.mode", Place::kVector,
     "dense { units: 7 kernel_initializer { variance_scaling { mode: <FAN_IN|FAN_OUT|FAN_AVG> } } "
     "}"},
    {"Initializer.VarianceScaling.distribution", Place::kVector,
     "dense { units: 6 kernel_initializer { variance_scaling { "
     "distribution: <TRUNCATED_NORMAL|UNTRUNCATED_NORMAL|UNIFORM> } } }"},
    {"Initializer.Orthogonal.gain", Place::kVector,
     "dense { units: 6 kernel_initializer { orthogonal { <|gain: 0.5> } } }"},
};

inline constexpr SpecFieldCase kSelectionCases[] = {
    {"SelectFeatures.score", Place::kTraining,
     "input { select_features { score: <VARIANCE|MUTUAL_INFORMATION|F_SCORE|!SCORE_UNSPECIFIED> "
     "k: 20 } } input { rescale { factor: 0.01 } } "
     "network { layers { dense { units: 4 activation: SOFTMAX } } }"},
    {"SelectFeatures.k", Place::kTraining,
     "input { select_features { score: VARIANCE k: <20|21|!129> } } "
     "input { rescale { factor: 0.01 } } "
     "network { layers { dense { units: 4 activation: SOFTMAX } } }"},
};

inline constexpr SpecFieldCase kDiagnosticsCases[] = {
    {"Diagnostics.activations", Place::kTraining, "diagnostics { activations: <false|true> }"},
    {"Diagnostics.gradient_norm", Place::kTraining, "diagnostics { gradient_norm: <false|true> }"},
    {"Diagnostics.weight_norm", Place::kTraining, "diagnostics { weight_norm: <false|true> }"},
    {"Diagnostics.learning_rate", Place::kTraining, "diagnostics { learning_rate: <false|true> }"},
    {"Diagnostics.timing", Place::kTraining, "diagnostics { timing: <false|true> }"},
    {"Diagnostics.sparsity", Place::kTraining, "diagnostics { <|sparsity {}> }"},
    {"Diagnostics.Sparsity.threshold", Place::kTraining,
     "diagnostics { sparsity { threshold: <0|0.05> } }"},
    {"Diagnostics.distinct_units", Place::kTraining,
     "diagnostics { distinct_units: <false|true> }"},
    {"Diagnostics.samples", Place::kTraining,
     "diagnostics { activations: true <|samples: 10|!samples: 0> }"},
};

inline constexpr SpecFieldCase kPruningCases[] = {
    {"Pruning.schedule", Place::kTraining,
     "pruning { <one_shot { sparsity: 0.5 }|polynomial { final_sparsity: 0.5 end_step: 4 }> }"},
    {"Pruning.layers", Place::kTraining,
     "network { layers { flatten {} } layers { dense { units: 6 } } "
     "layers { dense { units: 4 activation: SOFTMAX } } } "
     "pruning { one_shot { sparsity: 0.5 } <|layers: 'dense_1'|layers: 'dense_2'|!layers: 'x'> }"},
    {"Pruning.OneShot.amount", Place::kTraining,
     "pruning { one_shot { <sparsity: 0.5|sparsity: 0.3|threshold: 0.05|threshold: 0.1> } }"},
    {"Pruning.OneShot.after_epoch", Place::kTraining,
     "pruning { one_shot { sparsity: 0.5 after_epoch: <0|1|!2> } }"},
    {"Pruning.PolynomialSparsity.initial_sparsity", Place::kTraining,
     "pruning { polynomial { initial_sparsity: <0|0.4> final_sparsity: 0.5 end_step: 4 } }"},
    {"Pruning.PolynomialSparsity.final_sparsity", Place::kTraining,
     "pruning { polynomial { final_sparsity: <0.5|0.6|!1> end_step: 4 } }"},
    {"Pruning.PolynomialSparsity.begin_step", Place::kTraining,
     "pruning { polynomial { initial_sparsity: 0.3 final_sparsity: 0.5 begin_step: <0|1> "
     "end_step: 4 } }"},
    {"Pruning.PolynomialSparsity.end_step", Place::kTraining,
     "pruning { polynomial { final_sparsity: 0.5 end_step: <3|4|!6> } }"},
    {"Pruning.PolynomialSparsity.power", Place::kTraining,
     "pruning { polynomial { final_sparsity: 0.5 end_step: 5 frequency: 1 <|power: 1> } }"},
    {"Pruning.PolynomialSparsity.frequency", Place::kTraining,
     "pruning { polynomial { final_sparsity: 0.5 end_step: 5 <|frequency: 1|frequency: 2> } }"},
};

#define ANNEAL_RANGE_TEST(fields) "name: 'a' training {} lr_range_test { " fields " }"
#define ANNEAL_GRID(parameters) "name: 'a' training {} sweep { grid { " parameters " } }"
#define ANNEAL_RANDOM(parameters) \
  "name: 'a' training {} sweep { random { trials: 3 " parameters " } }"
#define ANNEAL_RATE "path: 'training.optimizer.sgd.learning_rate' "

inline constexpr SpecFieldCase kSearchCases[] = {
    {"JobSpec.search", Place::kJob,
     "name: 'a' training {} <|lr_range_test { steps: 10 }|sweep { grid { parameters { path: "
     "'training.seed' values: '1' } } }>"},
    {"LearningRateRangeTest.min_learning_rate", Place::kJob,
     ANNEAL_RANGE_TEST("steps: 10 min_learning_rate: <1e-5|1e-4|!0|!20>")},
    {"LearningRateRangeTest.max_learning_rate", Place::kJob,
     ANNEAL_RANGE_TEST("steps: 10 max_learning_rate: <10|1|!1e-6>")},
    {"LearningRateRangeTest.steps", Place::kJob, ANNEAL_RANGE_TEST("steps: <10|12|!9|!100001>")},
    {"LearningRateRangeTest.smoothing", Place::kJob,
     ANNEAL_RANGE_TEST("steps: 10 smoothing: <0.98|0|!1>")},
    {"LearningRateRangeTest.divergence_factor", Place::kJob,
     ANNEAL_RANGE_TEST("steps: 40 max_learning_rate: 1000 smoothing: 0 divergence_factor: "
                       "<4|1.01|!1>")},
    {"Sweep.strategy", Place::kJob,
     "name: 'a' training {} sweep { <grid { parameters { path: 'training.seed' values: '1' values: "
     "'2' } }|random { trials: 1 parameters { path: 'training.seed' choice { values: '1' } } }> }"},
    {"Sweep.Grid.parameters", Place::kJob,
     ANNEAL_GRID("parameters { path: 'training.seed' values: '1' } <|parameters { path: "
                 "'training.epochs' values: '1' }>")},
    {"Sweep.GridParameter.path", Place::kJob,
     ANNEAL_GRID("parameters { path: 'training.<seed|epochs|!nowhere>' values: '1' }")},
    {"Sweep.GridParameter.values", Place::kJob,
     ANNEAL_GRID("parameters { path: 'training.seed' values: '1' <|values: '2'|!values: 'x'> }")},
    {"Sweep.seed", Place::kJob,
     "name: 'a' training {} sweep { random { trials: 3 parameters { " ANNEAL_RATE
     "uniform { low: 0.1 high: 0.2 } } } seed: <0|1> }"},
    {"Sweep.Random.trials", Place::kJob,
     "name: 'a' training {} sweep { random { trials: <1|2|!0|!1001> parameters { " ANNEAL_RATE
     "uniform { low: 0.1 high: 0.2 } } } }"},
    {"Sweep.Random.parameters", Place::kJob,
     ANNEAL_RANDOM("parameters { " ANNEAL_RATE
                   "uniform { low: 0.1 high: 0.2 } } <|parameters { path: 'training.seed' uniform "
                   "{ low: 1 high: 9 } }>")},
    {"Sweep.RandomParameter.path", Place::kJob,
     ANNEAL_RANDOM(
         "parameters { path: 'training.<seed|epochs|!loss>' uniform { low: 1 high: 9 } }")},
    {"Sweep.RandomParameter.distribution", Place::kJob,
     ANNEAL_RANDOM("parameters { " ANNEAL_RATE
                   "<uniform { low: 0.1 high: 0.2 }|log_uniform { low: 0.1 high: 0.2 }|choice { "
                   "values: '0.1' values: '0.2' }|!log_uniform { low: 0 high: 0.2 }> }")},
    {"Sweep.Range.low", Place::kJob,
     ANNEAL_RANDOM("parameters { " ANNEAL_RATE "uniform { low: <0.1|0.05|!0.3> high: 0.2 } }")},
    {"Sweep.Range.high", Place::kJob,
     ANNEAL_RANDOM("parameters { " ANNEAL_RATE "uniform { low: 0.1 high: <0.2|0.3|!0.05> } }")},
    {"Sweep.Choice.values", Place::kJob,
     ANNEAL_RANDOM("parameters { " ANNEAL_RATE
                   "choice { values: '0.1' <values: '0.2'|values: '0.3'|!values: '-1'> } }")},
};

#undef ANNEAL_RANGE_TEST
#undef ANNEAL_GRID
#undef ANNEAL_RANDOM
#undef ANNEAL_RATE

}  // namespace anneal
