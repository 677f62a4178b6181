// Which Anneal this is: the version of CMakeLists.txt's project(), and how it was compiled.
#pragma once

namespace anneal {

inline constexpr char kVersion[] = ANNEAL_VERSION;  // "0.1.0"
inline constexpr char kBuild[] = ANNEAL_BUILD;      // "GNU 12.2.0, Release"

}  // namespace anneal
