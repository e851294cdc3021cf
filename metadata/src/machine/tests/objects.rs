//! Objects and listings against a model.

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Put(Vec<u8>, u8, Preconditions),
    Delete(Vec<u8>, Preconditions),
    List(ListRequest),
    Get(Vec<u8>),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(b'/'), Just(b'a'), Just(b'b'), Just(0u8), Just(0xFF)],
        1..6,
    )
}

fn tags() -> impl Strategy<Value = Option<TagMatch>> {
    proptest::option::weighted(
        0.2,
        prop_oneof![
            Just(TagMatch::Any),
            proptest::collection::vec((0u8..3).prop_map(etag), 0..2).prop_map(TagMatch::OneOf)
        ],
    )
}

fn preconditions() -> impl Strategy<Value = Preconditions> {
    (tags(), tags()).prop_map(|(if_match, if_none_match)| Preconditions {
        if_match,
        if_none_match,
        ..Preconditions::default()
    })
}

fn list_request() -> impl Strategy<Value = ListRequest> {
    let prefix = prop_oneof![Just(Vec::new()), key().prop_map(|k| k[..1].to_vec()), key()];
    let delimiter = prop_oneof![
        Just(Vec::new()),
        Just(b"/".to_vec()),
        Just(b"ab".to_vec()),
        Just(vec![0xFF])
    ];
    let start = proptest::option::of(prop_oneof![
        key().prop_map(|k| ListStart::AfterKey(k.into())),
        key().prop_map(|k| ListStart::AfterPrefix(k.into())),
    ]);
    (prefix, delimiter, start, 0u32..6).prop_map(|(prefix, delimiter, start, max)| ListRequest {
        prefix: prefix.into(),
        delimiter: delimiter.into(),
        start,
        max,
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (key(), 0u8..3, preconditions()).prop_map(|(k, t, p)| Op::Put(k, t, p)),
        2 => (key(), preconditions()).prop_map(|(k, p)| Op::Delete(k, p)),
        3 => list_request().prop_map(Op::List),
        1 => key().prop_map(Op::Get),
    ]
}

/// A listing in the plainest words: all keys, in order, rolled up, cut.
fn model_list(model: &BTreeMap<Vec<u8>, ETag>, list: &ListRequest) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut items: Vec<(Vec<u8>, bool)> = Vec::new();
    for key in model
        .keys()
        .filter(|key| key.starts_with(list.prefix.as_bytes()))
    {
        match &list.start {
            Some(ListStart::AfterKey(after)) if key.as_slice() <= after.as_bytes() => continue,
            Some(ListStart::AfterPrefix(prefix))
                if key.as_slice() <= prefix.as_bytes() || key.starts_with(prefix.as_bytes()) =>
            {
                continue;
            }
            _ => {}
        }
        let rest = &key[list.prefix.as_bytes().len()..];
        let delimiter = list.delimiter.as_bytes();
        let cut = (0..rest.len())
            .find(|&at| !delimiter.is_empty() && rest[at..].starts_with(delimiter))
            .map(|at| key.len() - rest.len() + at + delimiter.len());
        let item = (key[..cut.unwrap_or(key.len())].to_vec(), cut.is_some());
        if items.last() != Some(&item) {
            items.push(item);
        }
    }
    items.truncate(list.max as usize);
    let of = |prefix| {
        let items = items.iter().filter(move |item| item.1 == prefix);
        items.map(|item| item.0.clone()).collect()
    };
    (of(false), of(true))
}

fn holds(tags: &Option<TagMatch>, tag: Option<&ETag>, wanted: bool) -> bool {
    match (tags, tag) {
        (None, _) => true,
        (Some(TagMatch::Any), Some(_)) => wanted,
        (Some(TagMatch::OneOf(tags)), Some(tag)) => tags.contains(tag) == wanted,
        (Some(_), None) => !wanted,
    }
}

fn listed(page: &ListPage) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let bytes = |key: &ObjectKey| key.as_bytes().to_vec();
    (
        page.objects
            .iter()
            .map(|object| bytes(&object.key))
            .collect(),
        page.prefixes.iter().map(bytes).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn objects_behave_as_the_model(ops in proptest::collection::vec(op(), 1..60)) {
        let mut machine = Machine::keys();
        let mut model: BTreeMap<Vec<u8>, ETag> = BTreeMap::new();
        let mut live: BTreeMap<Vec<u8>, BlobId> = BTreeMap::new();
        let mut garbage = BTreeSet::new();
        for (n, op) in ops.into_iter().enumerate() {
            match op {
                Op::Put(key, tag, preconditions) => {
                    let current = model.get(&key);
                    let expected = if current.is_none() && preconditions.if_match.is_some() {
                        Err(KeyOutcome::NoSuchKey)
                    } else if holds(&preconditions.if_match, current, true)
                        && holds(&preconditions.if_none_match, current, false)
                    {
                        Ok(())
                    } else {
                        Err(KeyOutcome::PreconditionFailed)
                    };
                    let outcome = machine.put(PutObject {
                        key: key.clone().into(),
                        version: version(etag(tag), blobs(n as u64, 10)),
                        preconditions,
                        debts: Vec::new(),
                        versioning: Versioning::Never,
                    });
                    match expected {
                        Err(refusal) => prop_assert_eq!(outcome, refusal),
                        Ok(()) => {
                            prop_assert!(matches!(outcome, KeyOutcome::Stored(_)));
                            model.insert(key.clone(), etag(tag));
                            garbage.extend(live.insert(key, blob(n as u64, 10).id));
                        }
                    }
                }
                Op::Delete(key, preconditions) => {
                    let current = model.get(&key);
                    let allowed = current.is_none()
                        || holds(&preconditions.if_match, current, true)
                            && holds(&preconditions.if_none_match, current, false);
                    let existed = current.is_some();
                    let outcome = machine.run(KeyCommand::DeleteObject {
                        bucket: BUCKET,
                        delete: Box::new(DeleteObject {
                            preconditions,
                            ..DeleteObject::of_key(key.clone().into())
                        }),
                    });
                    if allowed {
                        let expected = match existed {
                            true => Deleted::Removed { was_marker: false },
                            false => Deleted::Nothing,
                        };
                        prop_assert_eq!(outcome, KeyOutcome::Deleted(expected));
                        model.remove(&key);
                        garbage.extend(live.remove(&key));
                    } else {
                        prop_assert_eq!(outcome, KeyOutcome::PreconditionFailed);
                    }
                }
                Op::List(list) => {
                    let page = machine.list(&list);
                    prop_assert_eq!(listed(&page), model_list(&model, &list));
                    let all = ListRequest { max: 1000, ..list.clone() };
                    let (objects, prefixes) = model_list(&model, &all);
                    let more = objects.len() + prefixes.len() > list.max as usize;
                    prop_assert_eq!(page.next.is_some(), more && list.max > 0);
                }
                Op::Get(key) => {
                    let key_asked = key.clone().into();
                    let query = KeyQuery::GetObject { bucket: BUCKET, key: key_asked, version: None };
                    let KeyAnswer::Object(object) = machine.ask(query) else {
                        panic!("not an object");
                    };
                    prop_assert_eq!(object.map(|o| o.head.etag), model.get(&key).copied());
                }
            }
        }
        prop_assert_eq!(machine.garbage(), garbage);
    }

    /// Pages, followed one after the other, show everything once.
    #[test]
    fn pages_add_up(
        keys in proptest::collection::btree_set(key(), 0..30),
        request in list_request(),
        max in 1u32..4,
    ) {
        let mut machine = Machine::keys();
        let mut model = BTreeMap::new();
        for key in &keys {
            machine.put(PutObject { key: key.clone().into(), ..put("", 1, inline("x")) });
            model.insert(key.clone(), etag(1));
        }
        let all = model_list(&model, &ListRequest { start: None, max: 1000, ..request.clone() });
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        let mut start = None;
        loop {
            let list = ListRequest { start, max, ..request.clone() };
            let page = machine.list(&list);
            let (more_objects, more_prefixes) = listed(&page);
            objects.extend(more_objects);
            prefixes.extend(more_prefixes);
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        prop_assert_eq!((objects, prefixes), all);
    }

    /// Applying in batches of any size comes to the same state as one by one.
    #[test]
    fn batches_do_not_matter(
        puts in proptest::collection::vec((0u8..4, any::<bool>()), 1..40),
        cuts in proptest::collection::vec(1usize..8, 1..40),
    ) {
        let proposals: Vec<Proposal> = std::iter::once(open_tablet(BUCKET))
            .chain(puts.iter().enumerate().map(|(n, &(key, delete))| {
                let key = format!("k{key}");
                if delete {
                    KeyCommand::DeleteObject {
                        bucket: BUCKET,
                        delete: Box::new(DeleteObject::of_key(key.into())),
                    }
                } else {
                    put_command(BUCKET, put(&key, 1, blobs(n as u64, 5)))
                }
            }))
            .enumerate()
            .map(|(n, command)| proposal(n as u128, START_MS + n as u64, command))
            .collect();
        let mut one_by_one = Machine { group: GroupId(1), ..Machine::system() };
        let outcomes: Vec<_> = proposals.iter().map(|p| one_by_one.apply(p)).collect();
        let batched = MemoryStore::default();
        let mut rest = proposals.iter().zip(&outcomes).enumerate().peekable();
        let mut cuts = cuts.iter().cycle();
        while rest.peek().is_some() {
            let before = batched.snapshot();
            let mut batch = Batch::begin(GroupId(1), &before).unwrap();
            for (n, (proposal, outcome)) in rest.by_ref().take(*cuts.next().unwrap()) {
                prop_assert_eq!(&batch.apply(n as u64 + 1, proposal).unwrap(), outcome);
            }
            batched.commit(batch.finish());
        }
        let all = |store: &MemoryStore| {
            crate::store::scan(&store.snapshot(), &[], &[0xFF], usize::MAX).unwrap()
        };
        prop_assert_eq!(all(&batched), all(&one_by_one.store));
    }
}

/// A listing and how many steps its cursors took.
fn counted(machine: &Machine, list: &RangeListing) -> (ListPage, Option<ObjectKey>, u32) {
    let counting = Counting {
        inner: machine.store.snapshot(),
        steps: std::cell::Cell::new(0),
    };
    let query = Query::Keys(KeyQuery::ListObjects {
        bucket: BUCKET,
        list: list.clone(),
    });
    let answer = crate::read::answer(GroupId(1), &counting, &query).unwrap();
    let Answer::Keys(KeyAnswer::Objects { page, rest }) = answer else {
        panic!("not a page");
    };
    (page, rest, counting.steps.get())
}

#[test]
fn a_listing_with_delimiter_reads_only_what_it_shows() {
    let mut machine = Machine::keys();
    for n in 0..500 {
        machine.put(put(&format!("a/{n}"), 1, inline("x")));
    }
    machine.put(put("b", 1, inline("x")));
    let list = ListRequest {
        delimiter: "/".into(),
        max: 10,
        ..ListRequest::default()
    };
    let (page, _, steps) = counted(&machine, &list.range().unwrap());
    assert_eq!(listed(&page), (vec![b"b".to_vec()], vec![b"a/".to_vec()]));
    assert!(steps < 10, "{steps} steps");
}

/// 100,000 keys under ten prefixes, in tablets whose borders lie between and within the prefixes.
#[test]
fn the_top_of_a_large_bucket_is_listed_in_tens_of_reads() {
    let mut machine = Machine::keys();
    let head = version(etag(1), inline("x")).head.to_bytes();
    let keys = (0..10).flat_map(|p| (0..10_000).map(move |n| format!("p{p}/{n:05}")));
    let heads = keys.map(|key| (keys::current(BUCKET, key.as_bytes()), Some(head.clone())));
    machine.store.commit(heads.collect());
    let borders = ["p1", "p1/00500", "p1/01000", "p4/", "p5/05000", "p8/00001"];
    let mut start = "";
    for (change, at) in (1..).zip(borders) {
        let split = TabletStep::Split {
            at: at.into(),
            first: TabletSize::default(),
        };
        machine.step(start, change, split);
        start = at;
    }
    let list = ListRequest {
        delimiter: "/".into(),
        max: 1000,
        ..ListRequest::default()
    };
    let (page, rest, steps) = counted(&machine, &list.range().unwrap());
    let expected: Vec<ObjectKey> = (0..10).map(|p| format!("p{p}/").into()).collect();
    assert_eq!((page.prefixes, rest), (expected.clone(), None));
    assert!(steps < 40, "{steps} steps");

    // The tablet that a common prefix ends in is elsewhere: the listing goes on there.
    machine.step("p5/05000", 100, TabletStep::Freeze);
    machine.step("p5/05000", 100, TabletStep::Release { to: GroupId(2) });
    let (page, rest, steps) = counted(&machine, &list.range().unwrap());
    assert_eq!(page.prefixes, expected[..6]);
    assert_eq!(rest, Some("p50".into()), "past p5/, which is in both");
    assert!(steps < 40, "{steps} steps");
}

struct Counting {
    inner: crate::store::MemorySnapshot,
    steps: std::cell::Cell<u32>,
}

struct CountingCursor<'a>(Box<dyn crate::store::Cursor + 'a>, &'a std::cell::Cell<u32>);

impl Reader for Counting {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }

    fn cursor(&self, end: &[u8]) -> Box<dyn crate::store::Cursor + '_> {
        Box::new(CountingCursor(self.inner.cursor(end), &self.steps))
    }
}

impl crate::store::Cursor for CountingCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.1.set(self.1.get() + 1);
        self.0.seek(key)
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        self.1.set(self.1.get() + 1);
        self.0.advance()
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.0.entry()
    }
}
