// Precompiled for the engine and its tests: LibTorch's headers are most of what a file here costs
// to compile.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "anneal/v1/job.pb.h"
