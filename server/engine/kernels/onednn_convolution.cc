// oneDNN chooses a blocked layout for the weights (the images stay [N, H, W, C]), so every
// execution is: reorder the weights from Keras's [KH, KW, C / groups, F], convolve; backward:
// convolve, reorder the gradient back. The reorders are small beside the convolution. Argument
// lists are arrays made once and handed to the C interface, because the C++ one builds a map and a
// vector on the heap at every call; scratch memory is ours for the same reason.
#include "server/engine/kernels/onednn_convolution.h"

#include <dnnl.hpp>
#include <utility>
#include <vector>

namespace anneal {
namespace {

using dnnl::memory;

// Enough for all the blocks that primitives ask for, 64-byte aligned, freed with the kernel.
at::Tensor AllocateBytes(size_t bytes) {
  return at::empty({static_cast<int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte));
}

class Execution {
 public:
  Execution() = default;
  Execution(dnnl::primitive primitive, std::vector<std::pair<int, memory>> arguments)
      : primitive_(std::move(primitive)) {
    for (auto& [index, argument] : arguments) {
      memories_.push_back(argument);
      arguments_.push_back({index, argument.get()});
    }
  }

  void Run(const dnnl::stream& stream) const {
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive_.get(), stream.get(), static_cast<int>(arguments_.size()),
                               arguments_.data()),
        "oneDNN could not execute a convolution");
  }

 private:
  dnnl::primitive primitive_;
  std::vector<memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

class OnednnConvolution final : public ConvolutionKernel {
 public:
  OnednnConvolution(const WindowGeometry& window, ConvolutionTensors tensors)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), tensors_(std::move(tensors)) {
    using dim = memory::dim;
    const dim batch = tensors_.x.size(0);
    const dim channels = tensors_.x.size(3);
    const dim filters = tensors_.y.size(3);
    const auto type = memory::data_type::f32;
    const memory::dims x_dims = {batch, channels, tensors_.x.size(1), tensors_.x.size(2)};
    const memory::dims y_dims = {batch, filters, tensors_.y.size(1), tensors_.y.size(2)};
    const dim groups = tensors_.groups;
    memory::dims weight_dims = {filters / groups, channels / groups, window.kernel_height,
                                window.kernel_width};
    if (groups > 1) weight_dims.insert(weight_dims.begin(), groups);
    const memory::dims strides = {window.stride_height, window.stride_width};
    const memory::dims dilates = {window.dilation_height - 1,
                                  window.dilation_width - 1};  // 0: dense
    const memory::dims before = {window.pad_top, window.pad_left};
    const memory::dims after = {window.pad_bottom, window.pad_right};
    const memory::desc x_desc(x_dims, type, memory::format_tag::nhwc);
    const memory::desc y_desc(y_dims, type, memory::format_tag::nhwc);
    const memory::desc any_weights(weight_dims, type, memory::format_tag::any);
    const memory::desc keras_weights(
        weight_dims, type, groups > 1 ? memory::format_tag::hwigo : memory::format_tag::hwio);
    const bool has_bias = tensors_.bias.defined();
    const memory::desc bias_desc =
        has_bias ? memory::desc({filters}, type, memory::format_tag::x) : memory::desc();
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

    const bool training = tensors_.dy.defined();
    const auto kind =
        training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const auto algorithm = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc forward(
        has_bias ? dnnl::convolution_forward::desc(kind, algorithm, x_desc, any_weights, bias_desc,
                                                   y_desc, strides, dilates, before, after)
                 : dnnl::convolution_forward::desc(kind, algorithm, x_desc, any_weights, y_desc,
                                                   strides, dilates, before, after),
        attributes, engine_);

    const memory x(x_desc, engine_, tensors_.x.data_ptr());
    const memory y(y_desc, engine_, tensors_.y.data_ptr());
    const memory kernel(keras_weights, engine_, tensors_.kernel.data_ptr());
    const memory forward_weights = AddReorder(kernel, forward.weights_desc(), forward_);
    std::vector<std::pair<int, memory>> arguments = {
        {DNNL_ARG_SRC, x},
        {DNNL_ARG_WEIGHTS, forward_weights},
        {DNNL_ARG_DST, y},
        {DNNL_ARG_SCRATCHPAD, Allocate(forward.scratchpad_desc())}};
    if (has_bias) {
      arguments.emplace_back(DNNL_ARG_BIAS, memory(bias_desc, engine_, tensors_.bias.data_ptr()));
    }
    forward_.emplace_back(dnnl::convolution_forward(forward), std::move(arguments));
    if (!training) return;

    const memory dy(y_desc, engine_, tensors_.dy.data_ptr());
    const dnnl::convolution_backward_weights::primitive_desc weights(
        has_bias
            ? dnnl::convolution_backward_weights::desc(algorithm, x_desc, any_weights, bias_desc,
                                                       y_desc, strides, dilates, before, after)
            : dnnl::convolution_backward_weights::desc(algorithm, x_desc, any_weights, y_desc,
                                                       strides, dilates, before, after),
        attributes, engine_, forward);
    const memory kernel_gradient(keras_weights, engine_, tensors_.kernel_gradient.data_ptr());
    const bool same_layout = weights.diff_weights_desc() == keras_weights;
    const memory blocked_gradient =
        same_layout ? kernel_gradient : Allocate(weights.diff_weights_desc());
    arguments = {{DNNL_ARG_SRC, x},
                 {DNNL_ARG_DIFF_DST, dy},
                 {DNNL_ARG_DIFF_WEIGHTS, blocked_gradient},
                 {DNNL_ARG_SCRATCHPAD, Allocate(weights.scratchpad_desc())}};
    if (has_bias) {
      arguments.emplace_back(DNNL_ARG_DIFF_BIAS,
                             memory(bias_desc, engine_, tensors_.bias_gradient.data_ptr()));
    }
    backward_.emplace_back(dnnl::convolution_backward_weights(weights), std::move(arguments));
    if (!same_layout) AppendReorder(blocked_gradient, kernel_gradient, backward_);

    if (!tensors_.dx.defined()) return;
    const dnnl::convolution_backward_data::primitive_desc data(
        dnnl::convolution_backward_data::desc(algorithm, x_desc, any_weights, y_desc, strides,
                                              dilates, before, after),
        attributes, engine_, forward);
    const memory data_weights = AddReorder(kernel, data.weights_desc(), backward_);
    backward_.emplace_back(dnnl::convolution_backward_data(data),
                           std::vector<std::pair<int, memory>>{
                               {DNNL_ARG_DIFF_DST, dy},
                               {DNNL_ARG_WEIGHTS, data_weights},
                               {DNNL_ARG_DIFF_SRC, memory(x_desc, engine_, tensors_.dx.data_ptr())},
                               {DNNL_ARG_SCRATCHPAD, Allocate(data.scratchpad_desc())}});
  }

  void Forward() override {
    for (const Execution& execution : forward_) execution.Run(stream_);
  }

  void Backward() override {
    for (const Execution& execution : backward_) execution.Run(stream_);
  }

 private:
  memory Allocate(const memory::desc& desc) {
    buffers_.push_back(AllocateBytes(desc.get_size()));
    return memory(desc, engine_, buffers_.back().data_ptr());
  }

  // `from` in the layout `to`: itself where it has it already, else a copy that `executions`
  // refreshes.
  memory AddReorder(const memory& from, const memory::desc& to,
                    std::vector<Execution>& executions) {
    if (from.get_desc() == to) return from;
    const memory copy = Allocate(to);
    AppendReorder(from, copy, executions);
    return copy;
  }

  void AppendReorder(const memory& from, const memory& to, std::vector<Execution>& executions) {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::reorder::primitive_desc reorder(from, to, attributes);
    executions.emplace_back(dnnl::reorder(reorder),
                            std::vector<std::pair<int, memory>>{
                                {DNNL_ARG_FROM, from},
                                {DNNL_ARG_TO, to},
                                {DNNL_ARG_SCRATCHPAD, Allocate(reorder.scratchpad_desc())}});
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  ConvolutionTensors tensors_;
  std::vector<at::Tensor> buffers_;
  std::vector<Execution> forward_;
  std::vector<Execution> backward_;
};

}  // namespace

std::unique_ptr<ConvolutionKernel> MakeOnednnConvolution(const WindowGeometry& window,
                                                         const ConvolutionTensors& tensors) {
  return std::make_unique<OnednnConvolution>(window, tensors);
}

}  // namespace anneal
