#include "server/spec/warnings.h"

#include <utility>

namespace anneal {

std::vector<std::string> FindWarnings(const ValidatedSpec& spec) {
  WarningList warnings;
  WarnAboutData(spec, warnings);
  WarnAboutNetwork(spec, warnings);
  WarnAboutLayers(spec, warnings);
  WarnAboutTraining(spec, warnings);
  WarnAboutSchedule(spec, warnings);
  return std::move(warnings).Take();
}

}  // namespace anneal
