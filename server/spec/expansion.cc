#include "server/spec/expansion.h"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/spec/layer_kind.h"
#include "server/spec/limits.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

void Append(const google::protobuf::RepeatedPtrField<v1::Layer>& layers, const std::string& path,
            Expansion& expansion) {
  for (int i = 0; i < layers.size(); ++i) {
    const v1::Layer& layer = layers[i];
    const std::string layer_path = absl::StrCat(path, ".layers[", i, "]");
    if (!layer.has_repeat()) {
      ResolvedLayer resolved;
      resolved.layer = &layer;
      resolved.path = layer_path;
      expansion.layers.push_back(std::move(resolved));
      continue;
    }
    const v1::Repeat& repeat = layer.repeat();
    const bool counted = repeat.count() >= 1 && repeat.count() <= limits::kLayers;
    const int64_t rounds = repeat.layers().empty() ? 0 : counted ? repeat.count() : 1;
    for (int64_t round = 0; round < rounds; ++round)
      Append(repeat.layers(), layer_path + ".repeat", expansion);
    if (!counted || rounds == 0) expansion.gaps.push_back(expansion.layers.size());
  }
}

// Given names first, so that a generated one never takes a given one.
void AssignNames(std::vector<ResolvedLayer>& layers, ViolationList& violations) {
  std::unordered_map<std::string, const ResolvedLayer*> owners;
  std::unordered_map<const v1::Layer*, int64_t> rounds;
  std::unordered_set<const v1::Layer*> reported;
  for (ResolvedLayer& layer : layers) {
    if (layer.layer->name().empty()) continue;
    const int64_t round = ++rounds[layer.layer];
    layer.name = round == 1 ? layer.layer->name() : absl::StrCat(layer.layer->name(), "_", round);
    const auto [owner, is_new] = owners.emplace(layer.name, &layer);
    if (!is_new && reported.insert(layer.layer).second) {
      const std::string repeated =
          round == 1 ? "" : absl::StrCat(" in round ", round, " of its repeat");
      violations.Add(layer.path + ".name",
                     absl::StrCat("is ", Quote(layer.name), repeated, ", as is the name of ",
                                  owner->second->path, "; names are unique"));
    }
  }
  std::unordered_map<std::string, int64_t> counters;
  for (ResolvedLayer& layer : layers) {
    if (!layer.layer->name().empty()) continue;
    const std::string kind = KindOf(*layer.layer).field;
    int64_t& counter = counters[kind];
    do {
      layer.name = absl::StrCat(kind, "_", ++counter);
    } while (owners.count(layer.name) > 0);
  }
}

}  // namespace

Expansion Expand(const v1::Network& network, ViolationList& violations) {
  Expansion expansion;
  Append(network.layers(), "training.network", expansion);
  AssignNames(expansion.layers, violations);
  return expansion;
}

}  // namespace anneal
