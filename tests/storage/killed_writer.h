// A process that writes to a database, tells what it was promised, and is killed.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <vector>

namespace anneal {

// Runs `write(pipe)` in another process, which never returns from it and puts an Item into the pipe
// for each promise. After `count` of them it is killed with -9. Returns all that came through; a
// test failure where it ended otherwise, or sooner.
template <typename Item, typename Write>
std::vector<Item> ReceiveUntilKilled(size_t count, const Write& write) {
  std::vector<Item> received;
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) {
    ADD_FAILURE() << "no pipe";
    return received;
  }
  const pid_t child = fork();
  if (child == 0) {
    close(pipe_ends[0]);
    write(pipe_ends[1]);
    _exit(99);
  }
  close(pipe_ends[1]);
  EXPECT_GT(child, 0);
  Item item{};
  while (child > 0 && read(pipe_ends[0], &item, sizeof item) == sizeof item) {
    received.push_back(item);
    if (received.size() == count) kill(child, SIGKILL);
  }
  close(pipe_ends[0]);
  int how = 0;
  EXPECT_EQ(waitpid(child, &how, 0), child);
  EXPECT_TRUE(WIFSIGNALED(how)) << "exit code " << WEXITSTATUS(how);
  EXPECT_GE(received.size(), count);
  return received;
}

}  // namespace anneal
