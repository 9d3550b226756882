// The rwsem rule by rule. Expected orders follow from the rules of Linux 6.12
// kernel/locking/rwsem.c as told in the comment above each; costs are zero, every task has a CPU of
// its own. An owner that sleeps while it holds (z) keeps newcomers from spinning, one that works (a
// number) does not.
#include "lock_rig.hpp"

namespace faultline {
namespace {

TEST_CASE("rwsem: readers share, a writer excludes") {
  CHECK(played({"R< z100 R>", "@10 R< z100 R>", "@20 R/ R>", "@30 R?"}) ==
        "0:R<@0 1:R<@10 2:R/=@20 3:R?!@30");
  CHECK(played({"R+ z100 R-", "@10 R/", "@20 R?", "@30 R< R>"}) ==
        "0:R+@0 1:R/!@10 2:R?!@20 3:R<@100");
}

TEST_CASE("rwsem: while readers hold it, a queued writer keeps new readers out") {
  // The writer spins for (20 + 1 reader) / 2 us first and is no waiter yet: task 2 still gets in.
  // With the second reader the limit stays as it was taken; at 20500 the writer queues.
  CHECK(played({"R< z100000 R>", "@10000 R+ z10 R-", "@15000 R< z50000 R>", "@30000 R< R>",
                "@30001 R/"}) == "0:R<@0 2:R<@15000 4:R/!@30001 1:R+@100000 3:R<@100010");
}

TEST_CASE("rwsem: a writer spins a bounded time on readers, then nobody does until they are gone") {
  CHECK(played({"R< z100000 R>", "@10000 R+ R-", "@20499 =1", "@20501 =1", "@30000 R+ R-",
                "@30001 =4", "@100001 R< z50 R>", "@100010 R+ R-", "@100020 =7"}) ==
        "0:R<@0 2:1spins@20499 3:1sleeps@20501 5:4sleeps@30001 1:R+@100000 4:R+@100000 "
        "6:R<@100001 8:7spins@100020 7:R+@100051");
}

TEST_CASE("rwsem: the spinning time grows by half a microsecond a reader, up to 30") {
  for (const int readers : {3, 30, 40}) {
    std::vector<std::string> scripts{"@1 R+ R-"};
    const int limit = (20 + std::min(readers, 30)) * 500;
    for (const int at : {limit, limit + 2}) {
      scripts.emplace_back("@");
      scripts.back() += std::to_string(at);
      scripts.back() += " =0";
    }
    for (int i = 0; i < readers; ++i) scripts.emplace_back("R< z90000 R>");
    const std::string log = played(scripts);
    CHECK(log.find("0spins@" + std::to_string(limit)) != std::string::npos);
    CHECK(log.find("0sleeps@" + std::to_string(limit + 2)) != std::string::npos);
  }
}

TEST_CASE("rwsem: with a reader at the head, all queued readers are let in, past writers") {
  CHECK(played({"R+ z100 R-", "@10 R< z20 R>", "@20 R+ z20 R-", "@30 R< z30 R>", "@40 R+ R-",
                "@50 R< R>"}) == "0:R+@0 1:R<@100 3:R<@100 5:R<@100 2:R+@130 4:R+@150");
}

TEST_CASE("rwsem: with a writer at the head only that one is woken") {
  CHECK(played({"R+ z100 R-", "@10 R+ z20 R-", "@20 R< R>", "@30 R+ z5 R-"}) ==
        "0:R+@0 1:R+@100 2:R<@120 3:R+@120");
}

TEST_CASE("rwsem: at most 256 readers are let in at once") {
  std::vector<std::string> scripts{"R+ z100 R-"};
  for (int i = 0; i < 300; ++i) scripts.emplace_back("@10 R< z20 R>");
  const std::string log = played(scripts);
  const auto count = [&log](const std::string& what) {
    int n = 0;
    for (auto at = log.find(what); at != std::string::npos; at = log.find(what, at + 1)) ++n;
    return n;
  };
  CHECK(count(":R<@100 ") == 256);
  CHECK(count(":R<@120") == 44);
}

TEST_CASE("rwsem: a free lock whose woken writer has not run yet is stolen by a reader") {
  // At 100: task 0 releases and wakes task 1; task 2, due before that wake-up, comes first.
  CHECK(played({"R+ z100 R-", "@10 R+ z10 R-", "@100 R< z50 R>"}) == "0:R+@0 2:R<@100 1:R+@150");
}

TEST_CASE("rwsem: a free lock is stolen by a writer") {
  CHECK(played({"R+ z100 R-", "@10 R+ z10 R-", "@100 R+ z50 R-"}) == "0:R+@0 2:R+@100 1:R+@150");
}

TEST_CASE("rwsem: a stealing reader lets in the queued readers only if one is at the head") {
  CHECK(played({"R+ z100 R-", "@10 R+ z10 R-", "@20 R< R>", "@100 R< z50 R>"}) ==
        "0:R+@0 3:R<@100 1:R+@150 2:R<@160");
}

TEST_CASE("rwsem: a writer that is beaten after 4 ms gets the lock next, whoever comes") {
  // Each thief is due at the release, before the woken task 1 runs. Until its wait is over 4 ms
  // task 1 only loses; at 5 ms it marks the lock, and at 6 ms no thief gets it any more.
  CHECK(played({"R+ z1000000 R-", "@10 R+ z10 R-", "@1000000 R+ z2000000 R-",
                "@3000000 R+ z2000000 R-", "@5000000 R+ z1000000 R-", "@6000000 R+ R-",
                "@6000000 R< R>", "@6000000 R?"}) ==
        "0:R+@0 2:R+@1000000 3:R+@3000000 4:R+@5000000 7:R?!@6000000 1:R+@6000000 "
        "5:R+@6000010 6:R<@6000010");
}

TEST_CASE("rwsem: downgrade lets in readers at the head, and all others with them") {
  CHECK(played({"R+ z100 R_ z50 R>", "@10 R< z5 R>", "@20 R+ R-", "@30 R< z5 R>"}) ==
        "0:R+@0 0:R_@100 1:R<@100 3:R<@100 2:R+@150");
}

TEST_CASE("rwsem: after a downgrade a writer at the head keeps the rest waiting") {
  CHECK(played({"R+ z100 R_ z50 R>", "@10 R+ z10 R-", "@20 R< R>"}) ==
        "0:R+@0 0:R_@100 1:R+@150 2:R<@160");
}

TEST_CASE("rwsem: a writer spins while the owner runs, and beats the sleepers") {
  // Task 1 queued while the owner slept; task 2 comes when it runs again, spins, and is first.
  CHECK(played({"R+ z100 100 R-", "@10 R+ R-", "@150 R+ R-", "@160 =1", "@160 =2"}) ==
        "0:R+@0 3:1sleeps@160 4:2spins@160 2:R+@200 1:R+@200");
}

TEST_CASE("rwsem: a spinner stops when the owner sleeps") {
  CHECK(played({"R+ 100 z100 R-", "@10 R+ R-", "@90 =1", "@110 =1"}) ==
        "0:R+@0 2:1spins@90 3:1sleeps@110 1:R+@200");
}

TEST_CASE("rwsem: spinners take turns in order of arrival; readers never spin") {
  // The release lets in the reader at the head of the queue; the spinners see readers, and go on.
  CHECK(played({"R+ 100 R-", "@30 R+ 10 R-", "@20 R+ 10 R-", "@10 R< R>", "@50 =3", "@50 =1"}) ==
        "0:R+@0 4:3sleeps@50 5:1spins@50 3:R<@100 2:R+@100 1:R+@110");
}

TEST_CASE("rwsem: a spinner whose owner downgrades spins on for its time only") {
  CHECK(played({"R+ 1000 R_ 50000 R>", "@10 R+ R-", "@11499 =1", "@11501 =1"}) ==
        "0:R+@0 0:R_@1000 2:1spins@11499 3:1sleeps@11501 1:R+@51000");
}

TEST_CASE("rwsem: a killed writer leaves the queue, and who stood behind it goes on") {
  CHECK(played({"R< z100000 R>", "@10 R* R-", "@30000 R< R>", "@40000 k1", "@50000 R/ R>"}) ==
        "0:R<@0 1:R*!@40000 2:R<@40000 4:R/=@50000");
  // In time, a killable attempt is like any other.
  CHECK(played({"R+ z100 R-", "@10 R* R-"}) == "0:R+@0 1:R*@100");
}

TEST_CASE("rwsem: giving back what is not held is refused") {
  LockRig rig;
  rig.init();
  const auto body = [](LockRig& r) -> Path<void> {
    CHECK_FALSE(up_read(r.sem));
    CHECK_FALSE(up_write(r.sem));
    CHECK_FALSE(downgrade_write(r.sem));
    CHECK_FALSE(mutex_unlock(r.mtx));
    CHECK_FALSE(spin_unlock(r.spin));
    CHECK_FALSE(read_unlock(r.rwl));
    CHECK_FALSE(write_unlock(r.rwl));
    CHECK_FALSE(percpu_up_read(r.percpu));
    CHECK_FALSE(percpu_up_write(r.percpu));
    CHECK_FALSE(up(r.bin));
    co_return;
  };
  rig.engine.start(rig.engine.add_task(), body(rig));
  CHECK(rig.engine.run() == Outcome::completed);
}

}  // namespace
}  // namespace faultline
