// What a verification finds wrong with records, blocks and objects: each thing once, by its place.

#include <algorithm>
#include <functional>
#include <span>

#include "spool/block_codec.h"
#include "spool/block_table.h"
#include "spool/digest.h"
#include "spool/layout.h"
#include "spool/object_table.h"
#include "spool/record_decoder.h"
#include "spool/record_table.h"
#include "tests/spool/verify_support.h"

namespace doagent::spool {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr OriginNumber kOrigin = 1;

class VerifierContentTest : public ::testing::Test {
 protected:
  std::vector<std::string> Damaged(const std::string& sql) {
    agent_.Damage(sql);
    return agent_.Findings();
  }

  // Makes the record another one, with a checksum that fits.
  void ChangeRecord(Sequence sequence, const std::function<void(StoredRecord&)>& change) {
    agent_.Close();
    const auto database = *Database::Open(agent_.path(), Database::Mode::kReadWrite);
    RecordReader reader = *RecordReader::Prepare(*database);
    StoredRecord record = reader.Read(kOrigin, sequence, sequence, ReadLimits())->front();
    ObjectTable objects = *ObjectTable::Prepare(*database);
    const auto key = *objects.Find(record.key);
    change(record);
    record.checksum = ChecksumOf(record);
    RecordWriter writer = *RecordWriter::Prepare(*database);
    ASSERT_TRUE(writer.Remove(kOrigin, sequence));
    ASSERT_TRUE(writer.Insert(kOrigin, record, key));
  }

  // The same of the block that begins with the sequence.
  void ChangeBlock(Sequence first, const std::function<void(StoredBlock&)>& change) {
    agent_.Close();
    const auto database = *Database::Open(agent_.path(), Database::Mode::kReadWrite);
    StoredBlock block = **BlockReader::Prepare(*database)->Find(kOrigin, first, first);
    BlockWriter writer = *BlockWriter::Prepare(*database);
    ASSERT_TRUE(writer.Remove(kOrigin, first));
    change(block);
    block.checksum = ChecksumOf(block);
    ASSERT_TRUE(writer.Insert(kOrigin, block));
  }

  void PutObject(const StoredObject& object) {
    agent_.Close();
    const auto database = *Database::Open(agent_.path(), Database::Mode::kReadWrite);
    ASSERT_TRUE(ObjectWriter::Prepare(*database)->Put(object));
  }

  // An object that nothing needs, made of any bytes.
  static StoredObject MakeObject(ObjectKind kind, const std::string& content) {
    return {DigestOf(kind, content), kind, Encoding::kPlain, content};
  }

  std::string In(const std::string& place) const { return name_ + ", " + place; }

  AgentSpool agent_;
  const std::string name_ = "origin " + agent_.spool().spool_id().Hex();
};

// --- Records -------------------------------------------------------------------------------------

TEST_F(VerifierContentTest, ABitOfARecord) {
  agent_.Close();
  const std::string payload =
      Ask(agent_.path(), "SELECT payload FROM records WHERE id = " + Id(45));
  {
    RawFile file(agent_.path());
    file.bytes()[file.Find(payload) + payload.size() / 2] ^= 4;
  }
  EXPECT_THAT(agent_.Findings(),
              ElementsAre(In("record 45: its checksum does not fit its content")));
}

TEST_F(VerifierContentTest, ABitOfAnEvent) {
  EXPECT_THAT(Damaged("UPDATE records SET time_unix_ns = time_unix_ns + 1 WHERE id = " + Id(1)),
              ElementsAre(In("record 1: its checksum does not fit its content")));
}

TEST_F(VerifierContentTest, AKeyThatIsNotThere) {
  EXPECT_THAT(Damaged("UPDATE records SET key_object = 999 WHERE id = " + Id(45)),
              ElementsAre(In("record 45: its key, object number 999, is not there")));
}

TEST_F(VerifierContentTest, NoKey) {
  EXPECT_THAT(Damaged("UPDATE records SET key_object = NULL WHERE id = " + Id(45)),
              ElementsAre(In("record 45: names no key")));
}

TEST_F(VerifierContentTest, AnEventWithAKey) {
  EXPECT_THAT(Damaged("UPDATE records SET key_object = 999 WHERE id = " + Id(1)),
              ElementsAre(In("record 1: is an event, yet it names a key")));
}

TEST_F(VerifierContentTest, AKeyThatIsAnotherObject) {
  agent_.Close();
  const ObjectId layout =
      *ObjectId::FromBytes(Ask(agent_.path(), "SELECT id FROM objects WHERE kind = 3 LIMIT 1"));
  ChangeRecord(45, [&](StoredRecord& record) { record.key = layout; });
  EXPECT_THAT(Damaged("UPDATE records SET key_object = (SELECT number FROM objects WHERE kind = 3) "
                      "WHERE id = " +
                      Id(45)),
              ElementsAre(HasSubstr("record 45: cannot be decoded: object " + layout.Hex())));
}

TEST_F(VerifierContentTest, ARowThatIsNone) {
  ChangeRecord(45, [](StoredRecord& record) { record.payload = "\xff\xff"; });
  EXPECT_THAT(agent_.Findings(), ElementsAre(HasSubstr("record 45: not a")));
}

TEST_F(VerifierContentTest, AnEventThatIsNone) {
  agent_.Close();
  ChangeRecord(51, [](StoredRecord& record) {
    record.encoding = Encoding::kPlain;
    record.payload = "\xff\xff";
  });
  EXPECT_THAT(Damaged("UPDATE records SET key_object = NULL WHERE id = " + Id(51)),
              ElementsAre(In("record 51: not an Event message")));
}

// 256 and 0 are the same byte, which is what the checksum covers.
TEST_F(VerifierContentTest, AnUnknownKind) {
  EXPECT_THAT(Damaged("UPDATE records SET kind = 256 WHERE id = " + Id(45)),
              ElementsAre(In("record 45: is of an unknown kind, 256")));
}

TEST_F(VerifierContentTest, AnUnknownEncoding) {
  EXPECT_THAT(Damaged("UPDATE records SET encoding = encoding + 256 WHERE id = " + Id(45)),
              ElementsAre(AllOf(HasSubstr("record 45: has an unknown encoding, 25"))));
}

TEST_F(VerifierContentTest, ARecordThatIsTooLarge) {
  EXPECT_THAT(Damaged("UPDATE records SET payload = zeroblob(1048577) WHERE id = " + Id(45)),
              ElementsAre(In("record 45: has 1048577 bytes, more than a record may have")));
}

TEST_F(VerifierContentTest, ARecordOfAnotherIncarnation) {
  EXPECT_THAT(Damaged("INSERT INTO incarnations VALUES(1, 51, 77)"),
              ElementsAre(In("record 51: is of another incarnation than the one that wrote this "
                             "sequence")));
  EXPECT_THAT(Damaged("DELETE FROM incarnations WHERE incarnation = 77;"
                      "UPDATE incarnations SET first_sequence = 2"),
              ElementsAre(HasSubstr("record 1: is of another incarnation")));
}

TEST_F(VerifierContentTest, ARecordWithoutASequence) {
  EXPECT_THAT(Damaged("UPDATE records SET id = (1 << 40) WHERE id = " + Id(51)),
              ElementsAre(In("record 0: 0 is nobody's sequence")));
}

// --- Blocks --------------------------------------------------------------------------------------

TEST_F(VerifierContentTest, ABitOfABlock) {
  agent_.Close();
  const std::string payload = Ask(agent_.path(), "SELECT payload FROM blocks WHERE id = " + Id(22));
  {
    RawFile file(agent_.path());
    file.bytes()[file.Find(payload.substr(0, 32)) + 20] ^= 1;
  }
  EXPECT_THAT(agent_.Findings(),
              ElementsAre(In("block 22-41: its checksum does not fit its content")));
}

TEST_F(VerifierContentTest, ABlockWithAnImpossibleRange) {
  const std::string lost = In("records 22-41: are not there, and nothing explains why");
  for (const std::string last : {"21", "22 + 65536", "-1"}) {
    AgentSpool agent;
    const std::string name = "origin " + agent.spool().spool_id().Hex();
    agent.Damage("UPDATE blocks SET last = " + last + " WHERE id = " + Id(22));
    EXPECT_THAT(agent.Findings(),
                ElementsAre(HasSubstr("block 22: has an impossible range, to "), lost))
        << last;
  }
}

TEST_F(VerifierContentTest, ABlockOfAnUnknownEncoding) {
  EXPECT_THAT(Damaged("UPDATE blocks SET encoding = encoding + 256 WHERE id = " + Id(22)),
              ElementsAre(HasSubstr("block 22: has an unknown encoding, 25")));
}

TEST_F(VerifierContentTest, ABlockThatIsTooLarge) {
  for (const std::string change :
       {"payload = zeroblob(3145729)", "holes = zeroblob(8193)", "layouts = zeroblob(65552)"}) {
    AgentSpool agent;
    agent.Damage("UPDATE blocks SET " + change + " WHERE id = " + Id(22));
    EXPECT_THAT(agent.Findings(),
                ElementsAre(HasSubstr("block 22: is larger than a block may be")));
  }
}

TEST_F(VerifierContentTest, ABlockWhoseLayoutIsNotThere) {
  ChangeBlock(
      22, [](StoredBlock& block) { block.layouts = {*ObjectId::FromBytes("layout-not-there")}; });
  EXPECT_THAT(agent_.Findings(),
              ElementsAre(AllOf(HasSubstr("block 22-41: cannot be decoded: object "),
                                HasSubstr("is not there"))));
}

TEST_F(VerifierContentTest, ABlockThatIsNone) {
  ChangeBlock(22, [](StoredBlock& block) {
    block.encoding = Encoding::kPlain;
    block.payload = "\xff\xff";
  });
  EXPECT_THAT(agent_.Findings(), ElementsAre(In("block 22-41: is not a Block message")));
}

TEST_F(VerifierContentTest, ABlockThatDoesNotHoldWhatItSays) {
  ChangeBlock(22, [](StoredBlock& block) { ++block.last_time_unix_ns; });
  EXPECT_THAT(agent_.Findings(), ElementsAre(In("block 22-41: ends at another time than it says")));
}

TEST_F(VerifierContentTest, ABlockWithMoreHolesThanItHas) {
  ChangeBlock(22, [](StoredBlock& block) { block.holes = std::string(1, '\2'); });
  EXPECT_THAT(agent_.Findings(),
              ElementsAre(In("block 22-41: has another number of times than of snapshots"),
                          In("record 23: is not there, and nothing explains why")));
}

TEST_F(VerifierContentTest, ABlockOfAnotherIncarnation) {
  agent_.Close();
  const std::string own = Ask(agent_.path(), "SELECT incarnation FROM incarnations");
  const std::string finding =
      In("block 22-41: is of another incarnation than the one that wrote these sequences");
  Sql(agent_.path(), "INSERT INTO incarnations VALUES(1, 22, 77), (1, 42, " + own + ")");
  EXPECT_THAT(agent_.Findings(), ElementsAre(finding));
  Sql(agent_.path(), "UPDATE incarnations SET first_sequence = 41 WHERE first_sequence = 22");
  EXPECT_THAT(agent_.Findings(), ElementsAre(finding));
}

TEST_F(VerifierContentTest, ARowInABlockThatHasItToo) {
  AgentSpool agent;
  const std::string name = "origin " + agent.spool().spool_id().Hex();
  agent.Append(50, 60);
  Sql(agent.path(), "CREATE TABLE kept AS SELECT * FROM records");
  agent.Append(61, 70);
  agent.Seal();
  agent.Damage("INSERT INTO records SELECT * FROM kept WHERE id = " + Id(50));
  EXPECT_THAT(agent.Findings(), ElementsAre(name + ", record 50: stands in block 42-61 too"));
}

// Two blocks that take turns: each has its own sequences, and yet they overlap.
TEST_F(VerifierContentTest, BlocksThatOverlap) {
  agent_.Close();
  {
    const auto database = *Database::Open(agent_.path(), Database::Mode::kReadWrite);
    ObjectTable objects = *ObjectTable::Prepare(*database);
    RecordDecoder decoder(objects);
    const DecodedBlock whole =
        *decoder.Block(**BlockReader::Prepare(*database)->Find(kOrigin, 22, 22));
    BlockWriter writer = *BlockWriter::Prepare(*database);
    ASSERT_TRUE(writer.Remove(kOrigin, 22));
    LayoutFinder layouts;
    for (const std::size_t turn : {0U, 1U}) {
      std::vector<NumberedSnapshot> snapshots;
      for (std::size_t i = turn; i < whole.size(); i += 2) {
        snapshots.push_back({whole.sequences()[i], whole.incarnation(), whole.At(i)});
      }
      const auto blocks = EncodeBlocks(snapshots, layouts);
      ASSERT_THAT(blocks, SizeIs(1));
      ASSERT_TRUE(writer.Insert(kOrigin, blocks[0].block));
    }
  }
  EXPECT_THAT(agent_.Findings(),
              ElementsAre(In("block 23-41: overlaps the block before it, which begins with 22")));
}

// --- Objects -------------------------------------------------------------------------------------

TEST_F(VerifierContentTest, AnObjectWithAnIntactTwin) {
  EXPECT_THAT(Damaged("UPDATE objects SET payload = zeroblob(9) WHERE number = 1"),
              ElementsAre(AllOf(HasSubstr("object 1: is damaged: "),
                                HasSubstr("; its copy is whole; nothing is lost yet"))));
}

TEST_F(VerifierContentTest, AnObjectWhoseTwinIsDamaged) {
  EXPECT_THAT(Damaged("UPDATE object_copies SET payload = zeroblob(9) WHERE number = 1"),
              ElementsAre(AllOf(HasSubstr("object 1, "), HasSubstr("its copy is damaged: "),
                                HasSubstr("itself it is whole; nothing is lost yet"))));
}

TEST_F(VerifierContentTest, AnObjectWithoutATwin) {
  EXPECT_THAT(Damaged("DELETE FROM object_copies WHERE number = 1"),
              ElementsAre(HasSubstr(": has no copy; nothing is lost yet")));
}

TEST_F(VerifierContentTest, AnObjectWhoseTwinIsAnother) {
  EXPECT_THAT(Damaged("UPDATE object_copies SET (id, kind, encoding, payload) = (SELECT id, kind, "
                      "encoding, payload FROM objects WHERE number = 2) WHERE number = 1"),
              ElementsAre(HasSubstr(": its copy is another object; nothing is lost yet")));
}

TEST_F(VerifierContentTest, ATwinWithoutAnObject) {
  PutObject(MakeObject(ObjectKind::kLayout, ""));
  EXPECT_THAT(agent_.Findings(), IsEmpty());
  EXPECT_THAT(Damaged("DELETE FROM objects WHERE number = (SELECT max(number) FROM objects)"),
              ElementsAre(HasSubstr("is not there; its copy is whole; nothing is lost yet")));
}

TEST_F(VerifierContentTest, AnObjectThatIsDamagedInBothPlaces) {
  agent_.Close();
  const std::string key = Ask(agent_.path(), "SELECT key_object FROM records WHERE id = " + Id(50));
  const auto findings = Damaged("UPDATE objects SET payload = x'00' WHERE number = " + key +
                                "; UPDATE object_copies SET payload = x'00' WHERE number = " + key);
  EXPECT_THAT(findings, Contains(AllOf(HasSubstr("object " + key + ": is damaged: "),
                                       HasSubstr("; so is its copy"))));
  EXPECT_THAT(findings, Contains(AllOf(HasSubstr("record 50: cannot be decoded: object "),
                                       HasSubstr("is damaged, and so is its copy"))));
}

TEST_F(VerifierContentTest, AnObjectThatNamesWhatIsNotThere) {
  PutObject(EncodeLayout({*ObjectId::FromBytes("schema-not-there")}));
  EXPECT_THAT(agent_.Findings(),
              ElementsAre(HasSubstr(": names object 736368656d612d6e6f742d7468657265, which is "
                                    "not there")));
}

TEST_F(VerifierContentTest, AnObjectThatNamesAnotherKind) {
  agent_.Close();
  const ObjectId layout =
      *ObjectId::FromBytes(Ask(agent_.path(), "SELECT id FROM objects WHERE kind = 3 LIMIT 1"));
  PutObject(EncodeLayout({layout}));
  EXPECT_THAT(agent_.Findings(),
              ElementsAre(HasSubstr("which is of another kind than it should be")));
}

TEST_F(VerifierContentTest, AnObjectOfAnUnknownKind) {
  PutObject(MakeObject(static_cast<ObjectKind>(9), "nine"));
  EXPECT_THAT(agent_.Findings(), ElementsAre(HasSubstr("is of an unknown kind, 9")));
}

TEST_F(VerifierContentTest, AnObjectOfAnUnknownEncoding) {
  EXPECT_THAT(Damaged("UPDATE objects SET encoding = encoding + 256 WHERE number = 1"),
              ElementsAre(HasSubstr("object 1: is damaged: has an unknown encoding, 25")));
}

TEST_F(VerifierContentTest, AnObjectThatIsTooLarge) {
  EXPECT_THAT(Damaged("UPDATE objects SET payload = zeroblob(4194305) WHERE number = 1"),
              ElementsAre(HasSubstr("object 1: is damaged: is larger than an object may be")));
}

TEST_F(VerifierContentTest, ASchemaThatIsNone) {
  PutObject(MakeObject(ObjectKind::kSchema, "\xff"));
  EXPECT_THAT(agent_.Findings(), ElementsAre(HasSubstr(": cannot be decoded: ")));
  PutObject(MakeObject(ObjectKind::kLayout, "\xff"));
  EXPECT_THAT(agent_.Findings(), SizeIs(2));
}

TEST_F(VerifierContentTest, APageOfObjectsThatCannotBeRead) {
  agent_.Close();
  const std::string number =
      Ask(agent_.path(), "SELECT key_object FROM records WHERE id = " + Id(50));
  const std::string id = Ask(agent_.path(), "SELECT id FROM objects WHERE number = " + number);
  {
    RawFile file(agent_.path());
    // Of the two places the first: objects came before their copies.
    for (std::size_t page = 1; page < file.pages(); ++page) {
      const std::size_t at = file.bytes().find(id, page * kPageBytes);
      if (file.type_of(page) != 13 || at >= (page + 1) * kPageBytes) continue;
      file.type_of(page) = 77;
      break;
    }
  }
  const auto findings = agent_.Findings();
  EXPECT_THAT(findings, Contains(AllOf(HasSubstr("table objects, "), HasSubstr("cannot be read"))));
  EXPECT_THAT(findings, Contains("object " + number +
                                 ": cannot be read; its copy is whole; nothing is lost yet"));
  // Its copy serves whoever needs it.
  EXPECT_THAT(findings, Not(Contains(HasSubstr("record"))));
}

}  // namespace
}  // namespace doagent::spool
