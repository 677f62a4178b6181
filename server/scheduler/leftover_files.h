// Files that a daemon which was killed has left.
#pragma once

#include "server/scheduler/artifact_folder.h"
#include "storage/store.h"

namespace anneal {

// A file is written before its row, and a row removed before its file; so a daemon that is killed
// between the two leaves a file that no row names. Removes these, final weights and states, and
// folders in which nothing is left. Other files stay, and so do folders of jobs newer than any in
// the store: it may not be the store that they were made with. What cannot be asked or removed
// stays until the next call.
//
// Not while anything runs: a file that is being written has no row yet. Blocking: looks at every
// job's folder.
void RemoveLeftoverFiles(Store& store, const ArtifactFolder& artifacts);

}  // namespace anneal
