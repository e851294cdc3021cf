//! Retries: applied once, answered as the first time.

use super::*;

#[test]
fn a_retry_gets_the_first_outcome() {
    let mut machine = Machine::keys();
    let mut create = put("k", 1, inline("x"));
    create.preconditions.if_none_match = Some(TagMatch::Any);
    let create = proposal(100, START_MS, put_command(BUCKET, create));
    let first = machine.apply(&create);
    assert!(matches!(first, Outcome::Keys(KeyOutcome::Stored(_))));
    assert_eq!(machine.apply(&create), first);
    machine.put(put("k", 2, inline("y")));
    assert_eq!(
        machine.apply(&create),
        first,
        "and does not undo what came after"
    );
    let query = KeyQuery::GetObject {
        bucket: BUCKET,
        key: "k".into(),
        version: None,
    };
    let KeyAnswer::Object(Some(object)) = machine.ask(query) else {
        panic!("no object");
    };
    assert_eq!(object.head.etag, etag(2));
}

#[test]
fn a_retry_that_comes_too_late_is_refused() {
    let mut machine = Machine::keys();
    let first = proposal(100, START_MS, put_command(BUCKET, put("k", 1, inline("x"))));
    machine.apply(&first);
    machine.now_ms += DEDUP_MS + 1;
    machine.put(put("other", 1, inline("x")));
    assert_eq!(machine.apply(&first), Outcome::Expired);
}

#[test]
fn outcomes_are_forgotten_in_time() {
    let mut machine = Machine::keys();
    for n in 0..50 {
        machine.now_ms += DEDUP_MS / 10;
        machine.put(put(&format!("{n}"), 1, inline("x")));
    }
    let header = read_header(&machine.store.snapshot()).unwrap();
    assert!(
        header.outcomes_next - header.outcomes_first <= 12,
        "{header:?}"
    );
    let range = |family: u8| {
        crate::store::scan(&machine.store.snapshot(), &[family], &[family + 1], 1000)
            .unwrap()
            .len()
    };
    let kept = (header.outcomes_next - header.outcomes_first) as usize;
    assert_eq!((range(0x60), range(0x61)), (kept, kept));
}
