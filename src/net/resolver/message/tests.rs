use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use simple_dns::rdata::{A, CNAME, SOA};
use simple_dns::{Name, ResourceRecord};

fn query(name: &str) -> Query {
    let question = Question { name: DomainName::parse(name).unwrap(), kind: RecordKind::A };
    Query::new(question, &Random::new(Some(1))).unwrap()
}

/// A reply to `query` as a correct server would start it.
fn reply(query: &Query) -> Packet<'_> {
    let mut packet = Packet::parse(query.wire()).unwrap().into_reply();
    packet.set_flags(PacketFlag::RECURSION_AVAILABLE);
    packet
}

fn record<'a>(name: &'a str, rdata: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 300, rdata)
}

fn address(name: &str) -> ResourceRecord<'_> {
    record(name, RData::A(A { address: 0x0a00_0001 }))
}

fn alias<'a>(name: &'a str, target: &'a str) -> ResourceRecord<'a> {
    record(name, RData::CNAME(CNAME(Name::new(target).unwrap())))
}

fn judge(query: &Query, packet: &Packet<'_>) -> Verdict {
    query.judge(&packet.build_bytes_vec_compressed().unwrap())
}

fn finding(verdict: Verdict) -> (Finding, usize, u32) {
    match verdict {
        Verdict::Answer { answer, .. } => (answer.finding, answer.data.len(), answer.ttl),
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn aliases_are_followed_in_any_order() {
    let query = query("www.example");
    let mut packet = reply(&query);
    packet.answers = vec![address("c.example"), alias("b.example", "C.Example"), alias("WWW.example", "b.example")];
    assert_eq!(finding(judge(&query, &packet)), (Finding::Found, 1, 300));
}

#[test]
fn an_alias_left_open_names_its_target() {
    let query = query("www.example");
    let mut packet = reply(&query);
    packet.answers = vec![alias("www.example", "far.example"), address("unasked.example")];
    let target = DomainName::parse("far.example").unwrap();
    assert_eq!(finding(judge(&query, &packet)), (Finding::Alias(target), 0, 60));
}

#[test]
fn alias_circles_fail() {
    let query = query("a.example");
    let mut packet = reply(&query);
    packet.answers = vec![alias("a.example", "b.example"), alias("b.example", "a.example")];
    assert!(matches!(judge(&query, &packet), Verdict::Failed(_)));
}

#[test]
fn negative_answers_take_their_ttl_from_the_authority() {
    let query = query("a.example");
    let mut packet = reply(&query);
    let name = Name::new("example").unwrap();
    let soa = SOA { mname: name.clone(), rname: name, serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 17 };
    packet.name_servers.push(record("example", RData::SOA(soa)));
    assert_eq!(finding(judge(&query, &packet)), (Finding::NoData, 0, 17));
    *packet.rcode_mut() = RCODE::NameError;
    assert_eq!(finding(judge(&query, &packet)), (Finding::NoSuchName, 0, 17));
}

#[test]
fn replies_to_other_queries_are_not_ours() {
    let query = query("a.example");
    let good = reply(&query).build_bytes_vec().unwrap();
    assert!(matches!(query.judge(&good), Verdict::Answer { exact: true, .. }));
    assert_eq!(query.judge(query.wire()), Verdict::NotOurs, "a query is no response");
    let mut wrong_id = good.clone();
    wrong_id[0] ^= 1;
    assert_eq!(query.judge(&wrong_id), Verdict::NotOurs);
    let mut wrong_name = good.clone();
    wrong_name[13] = b'z';
    assert_eq!(query.judge(&wrong_name), Verdict::NotOurs);
    let mut recased = good.clone();
    recased[13] ^= 0x20;
    assert!(matches!(query.judge(&recased), Verdict::Answer { exact: false, .. }));
    let mut wrong_type = good;
    let at = wrong_type.len() - 3;
    wrong_type[at] = 28;
    assert_eq!(query.judge(&wrong_type), Verdict::NotOurs);
}

#[test]
fn pointer_loops_and_impossible_counts_are_garbage() {
    let query = query("a.example");
    let good = reply(&query).build_bytes_vec().unwrap();
    let mut looping = good.clone();
    looping[7] = 1; // one answer, whose name points at itself
    let here = looping.len() as u8;
    looping.extend([0xc0, here, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4]);
    assert_eq!(query.judge(&looping), Verdict::NotOurs);
    let mut greedy = good;
    greedy[6..8].fill(0xff);
    assert_eq!(query.judge(&greedy), Verdict::NotOurs);
}

#[test]
fn truncation_is_seen_even_when_a_record_is_cut() {
    let query = query("a.example");
    let mut packet = reply(&query);
    packet.set_flags(PacketFlag::TRUNCATION);
    assert_eq!(judge(&query, &packet), Verdict::Truncated);
    packet.answers = vec![address("a.example"), address("a.example")];
    let mut cut = packet.build_bytes_vec().unwrap();
    cut.truncate(cut.len() - 3);
    assert_eq!(query.judge(&cut), Verdict::Truncated);
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

    #[test]
    fn hostile_bytes_do_no_harm(
        at in 2usize..80,
        with: u8,
        cut in 0usize..100,
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let query = query("www.example");
        let mut packet = reply(&query);
        packet.answers = vec![alias("www.example", "b.example"), address("b.example")];
        let mut bytes = packet.build_bytes_vec_compressed().unwrap();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = with;
        }
        bytes.truncate(cut.max(12));
        bytes.extend(tail);
        query.judge(&bytes);
    }
}
