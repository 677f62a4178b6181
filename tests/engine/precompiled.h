// Precompiled for the engine's tests: with autograd, which the engine itself does without.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "anneal/v1/job.pb.h"
