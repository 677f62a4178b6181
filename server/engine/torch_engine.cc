// Engine on LibTorch: devices, the thread's settings, and the one frame where exceptions become
// outcomes.
#include <ATen/ATen.h>
#include <dnnl.h>
#include <torch/version.h>

#include <cstdint>
#include <exception>
#include <fstream>
#include <limits>
#include <map>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/core/version.h"
#include "server/data/dataset_registry.h"
#include "server/engine/engine.h"
#include "server/engine/lr_range_test.h"
#include "server/engine/predictor.h"
#include "server/engine/trainer.h"

namespace anneal {
namespace {

int64_t GpuCount() { return at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0; }

std::string InstructionSet() {
  const std::map<dnnl_cpu_isa_t, std::string> names = {
      {dnnl_cpu_isa_sse41, "sse4.1"},
      {dnnl_cpu_isa_avx, "avx"},
      {dnnl_cpu_isa_avx2, "avx2"},
      {dnnl_cpu_isa_avx512_core, "avx512_core"},
      {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
      {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
  };
  const auto found = names.find(dnnl_get_effective_cpu_isa());
  return found == names.end() ? absl::StrCat("isa-", static_cast<int>(dnnl_get_effective_cpu_isa()))
                              : found->second;
}

std::string ProcessorName() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, "model name")) {
      const size_t colon = rest.find(": ");
      if (colon != absl::string_view::npos) return std::string(rest.substr(colon + 2));
    }
  }
  return "unknown";
}

// Bytes that can still be had without swapping; the largest number where the kernel does not say.
int64_t AvailableMemoryBytes() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  std::string unit;
  int64_t kilobytes = 0;
  while (info >> name >> kilobytes) {
    std::getline(info, unit);
    if (name == "MemAvailable:") return kilobytes * 1024;
  }
  return std::numeric_limits<int64_t>::max();
}

// LibTorch has no exception type of its own for "no memory" on the CPU.
bool IsOutOfMemory(const std::exception& error) {
  const std::string text = error.what();
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         absl::StrContains(text, "can't allocate memory") ||
         absl::StrContains(text, "not enough memory") || absl::StrContains(text, "out of memory");
}

// c10::Error's what() ends in a page of stack frames; its first line says what happened.
std::string FirstLine(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

TrainingOutcome BadEnd(StopReason reason, std::string message) {
  TrainingOutcome outcome;
  outcome.stop_reason = reason;
  outcome.message = std::move(message);
  return outcome;
}

class TorchEngine final : public Engine {
 public:
  TorchEngine(DatasetRegistry& datasets, const Clock& clock) : datasets_(datasets), clock_(clock) {}

  std::vector<std::string> Devices() const override {
    std::vector<std::string> devices = {"cpu"};
    for (int64_t k = 0; k < GpuCount(); ++k) devices.push_back(absl::StrCat("cuda:", k));
    return devices;
  }

  absl::Status CheckDevice(const std::string& device) const override {
    return Resolve(device).status();
  }

  std::string Fingerprint(const std::string& device) const override {
    const absl::StatusOr<at::Device> resolved = Resolve(device);
    return absl::StrCat("device ", resolved.ok() ? resolved->str() : device, "; 1 thread; ",
                        ProcessorName(), ", ", InstructionSet(), "; oneDNN ", dnnl_version()->major,
                        ".", dnnl_version()->minor, ".", dnnl_version()->patch, "; LibTorch ",
                        TORCH_VERSION, "; anneal ", kVersion, ", compiler ", __VERSION__);
  }

  absl::StatusOr<TrainingOutcome> Train(const ValidatedSpec& spec,
                                        const std::vector<ResumePoint>& resume,
                                        std::stop_token stop, TrainingObserver& observer,
                                        ProgressCell& progress) override {
    const Work work{spec.training().device(), spec.dataset().name, spec.summary().memory_bytes()};
    return Run(work, [&](std::shared_ptr<const Dataset> dataset, std::unique_ptr<Kernels> kernels,
                         const std::string& fingerprint) {
      if (spec.proto().has_lr_range_test()) {
        return RunLearningRateRangeTest(spec, std::move(dataset), std::move(kernels), clock_, stop,
                                        progress);
      }
      return RunTraining(spec, std::move(dataset), std::move(kernels), fingerprint, resume, clock_,
                         stop, observer, progress);
    });
  }

  absl::StatusOr<TrainingOutcome> Predict(const ValidatedPrediction& prediction,
                                          const std::string& checkpoint_path, int64_t stored,
                                          std::stop_token stop, PredictionObserver& observer,
                                          ProgressCell& progress) override {
    const Work work{prediction.proto().device(), prediction.set().dataset,
                    PredictionBytes(prediction)};
    return Run(work, [&](std::shared_ptr<const Dataset> dataset, std::unique_ptr<Kernels> kernels,
                         const std::string&) {
      return RunPrediction(prediction, checkpoint_path, stored, std::move(dataset),
                           std::move(kernels), clock_, stop, observer, progress);
    });
  }

 private:
  struct Work {
    std::string device;
    std::string dataset;
    int64_t memory_bytes = 0;  // estimated, beside the data set
  };

  // Finds device, data and memory, and calls run(dataset, kernels, fingerprint): the one frame
  // where exceptions become outcomes.
  template <typename Function>
  absl::StatusOr<TrainingOutcome> Run(const Work& work, const Function& run) {
    try {
      absl::StatusOr<at::Device> device = Resolve(work.device);
      if (!device.ok())
        return BadEnd(StopReason::kInvalidData, std::string(device.status().message()));
      absl::StatusOr<std::shared_ptr<const Dataset>> dataset = datasets_.Load(work.dataset);
      if (!dataset.ok())
        return BadEnd(StopReason::kInvalidData, std::string(dataset.status().message()));
      // Linux hands out more memory than it has and kills the process when it is touched, with all
      // its jobs: refuse first.
      const int64_t available = AvailableMemoryBytes();
      if (device->is_cpu() && work.memory_bytes > available) {
        return BadEnd(StopReason::kOutOfMemory,
                      absl::StrCat("the job needs about ", work.memory_bytes,
                                   " bytes and this machine has ", available,
                                   " bytes free; a smaller batch_size or network would fit"));
      }
      return run(*std::move(dataset),
                 device->is_cpu() ? MakeCpuKernels() : MakeAtenKernels(*device),
                 Fingerprint(work.device));
    } catch (const std::exception& error) {
      if (IsOutOfMemory(error)) {
        return BadEnd(StopReason::kOutOfMemory,
                      absl::StrCat("not enough memory (estimated need: ", work.memory_bytes,
                                   " bytes beside the data set): ", FirstLine(error)));
      }
      return BadEnd(StopReason::kInternal, FirstLine(error));
    } catch (...) {
      return BadEnd(StopReason::kInternal, "a kernel threw an object that is not a std::exception");
    }
  }

  static absl::StatusOr<at::Device> Resolve(const std::string& device) {
    const int64_t gpus = GpuCount();
    if (device.empty() || device == "auto") {
      return gpus > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
    }
    if (device == "cpu") return at::Device(at::kCPU);
    absl::string_view number = device;
    int64_t index = 0;
    if (!absl::ConsumePrefix(&number, "cuda:") || !absl::SimpleAtoi(number, &index) || index < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("device \"", device, "\" is not auto, cpu or cuda:N"));
    }
    if (!at::hasCUDA()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "device ", device, " is not available: this daemon's LibTorch ", TORCH_VERSION,
          " is built for the CPU only; use device auto or cpu, or build against a LibTorch with "
          "CUDA"));
    }
    if (index >= gpus) {
      return absl::FailedPreconditionError(absl::StrCat(
          "device ", device, " is not available: this machine has ", gpus, " CUDA devices"));
    }
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
  }

  DatasetRegistry& datasets_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<Engine> CreateEngine(DatasetRegistry& datasets, const Clock& clock) {
  return std::make_unique<TorchEngine>(datasets, clock);
}

}  // namespace anneal
