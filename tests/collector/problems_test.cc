#include "collector/problems.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace doagent::collector {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Problems, OneThatComesAndGoesIsOne) {
  ProblemTracker problems;
  for (int tick = 0; tick < 30; ++tick) {
    if (tick % 3 == 0) problems.Seen("cpu", "/proc/stat", "why " + std::to_string(tick));
    problems.EndTick();
  }
  EXPECT_THAT(problems.Take(), ElementsAre(Problem{"cpu", "/proc/stat", "why 0", false}));
  problems.EndTick();
  EXPECT_THAT(problems.Take(), ElementsAre(Problem{"cpu", "/proc/stat", "why 0", true}));
}

TEST(Problems, SeveralAtATime) {
  ProblemTracker problems;
  problems.Seen("a", "/x", "1");
  problems.Seen("b", "/x", "2");
  problems.Seen("a", "/y", "3");
  problems.Seen("a", "/x", "again");
  problems.EndTick();
  EXPECT_THAT(problems.Take(),
              ElementsAre(Problem{"a", "/x", "1", false}, Problem{"b", "/x", "2", false},
                          Problem{"a", "/y", "3", false}));
}

TEST(Problems, NeverMoreThanTheLimit) {
  ProblemTracker problems;
  for (int i = 0; i < 10'000; ++i) problems.Seen("a", std::to_string(i), "x");
  EXPECT_EQ(problems.Take().size(), ProblemTracker::kProblemsMax);
  for (int tick = 0; tick < 4; ++tick) problems.EndTick();
  EXPECT_EQ(problems.Take().size(), ProblemTracker::kProblemsMax);
  EXPECT_THAT(problems.Take(), IsEmpty());
}

}  // namespace
}  // namespace doagent::collector
