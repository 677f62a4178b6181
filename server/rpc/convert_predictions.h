// Core structs of predictions -> messages of the API.
#pragma once

#include "anneal/v1/prediction.pb.h"
#include "server/core/prediction.h"
#include "server/core/uncertainty.h"

namespace anneal {

v1::PredictionSet ToProto(const PredictionSet& set);
v1::Prediction ToProto(const PredictionRow& row);
v1::SetMeasures ToProto(const SetMeasures& measures);
v1::Uncertainty ToProto(const Uncertainty& uncertainty);

}  // namespace anneal
