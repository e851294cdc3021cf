//! Multipart uploads.

use super::*;

#[test]
fn an_upload_becomes_an_object_once() {
    let mut machine = Machine::keys();
    machine.put(put("k", 1, blobs(1, 10)));
    let id = machine.begin_upload(5);
    machine.put_part(id, part(1, 1, blobs(2, PART_MIN_BYTES)));
    machine.put_part(id, part(1, 2, blobs(3, PART_MIN_BYTES)));
    machine.put_part(id, part(2, 3, blobs(4, PART_MIN_BYTES)));
    machine.put_part(id, part(9, 4, blobs(5, 1)));
    let first = machine.complete(id, &[(1, 2), (9, 4)]);
    let KeyOutcome::UploadCompleted { stored, .. } = &first else {
        panic!("{first:?}");
    };
    // Replaced part, part left out, object replaced.
    let expected: BTreeSet<_> = [2, 4, 1].map(|n| blob(n, 0).id).into();
    assert_eq!(machine.garbage(), expected);
    assert_eq!(
        machine.complete(id, &[(1, 2), (9, 4)]),
        first,
        "a repeated completion"
    );
    let query = KeyQuery::GetObject {
        bucket: BUCKET,
        key: "k".into(),
        version: None,
    };
    let KeyAnswer::Object(Some(object)) = machine.ask(query) else {
        panic!("no object");
    };
    assert_eq!(object.head.sequence, stored.sequence);
    assert_eq!(object.head.size_bytes, PART_MIN_BYTES + 1);
    assert_eq!(object.head.etag.parts, Some(2));
    let Content::Parts(parts) = &object.body.content else {
        panic!("not of parts");
    };
    assert_eq!(parts.iter().map(|p| p.number).collect::<Vec<_>>(), [1, 9]);
    let abort = KeyCommand::AbortUpload {
        bucket: BUCKET,
        key: "k".into(),
        upload: id,
    };
    assert_eq!(machine.run(abort), KeyOutcome::NoSuchUpload);
    let late = machine.put_part(id, part(3, 1, blobs(6, 1)));
    assert_eq!(late, KeyOutcome::NoSuchUpload);
}

#[test]
fn a_completion_is_checked_against_the_parts() {
    let mut machine = Machine::keys();
    let id = machine.begin_upload(5);
    machine.put_part(id, part(1, 1, blobs(1, PART_MIN_BYTES - 1)));
    machine.put_part(id, part(2, 2, blobs(2, PART_MIN_BYTES)));
    for number in [0, 10_001] {
        let outside = machine.put_part(id, part(number, 1, inline("x")));
        assert_eq!(outside, KeyOutcome::InvalidPart { number });
    }
    assert_eq!(machine.complete(id, &[]), KeyOutcome::InvalidPartOrder);
    assert_eq!(
        machine.complete(id, &[(2, 2), (1, 1)]),
        KeyOutcome::InvalidPartOrder
    );
    assert_eq!(
        machine.complete(id, &[(2, 2), (2, 2)]),
        KeyOutcome::InvalidPartOrder
    );
    assert_eq!(
        machine.complete(id, &[(2, 1)]),
        KeyOutcome::InvalidPart { number: 2 }
    );
    assert_eq!(
        machine.complete(id, &[(3, 1)]),
        KeyOutcome::InvalidPart { number: 3 }
    );
    assert_eq!(
        machine.complete(id, &[(1, 1), (2, 2)]),
        KeyOutcome::EntityTooSmall {
            number: 1,
            size_bytes: PART_MIN_BYTES - 1
        }
    );
    let mut sized = completion(id, &[(2, 2)]);
    sized.size_bytes = Some(1);
    let outcome = machine.run(KeyCommand::CompleteUpload {
        bucket: BUCKET,
        complete: Box::new(sized),
    });
    let size_bytes = PART_MIN_BYTES;
    assert_eq!(outcome, KeyOutcome::SizeMismatch { size_bytes });
    assert_eq!(
        machine.complete(UploadId(6), &[(2, 2)]),
        KeyOutcome::NoSuchUpload
    );
    let mut conditional = completion(id, &[(2, 2)]);
    conditional.preconditions.if_none_match = Some(TagMatch::Any);
    machine.put(put("k", 1, inline("x")));
    let command = |complete: &CompleteUpload| KeyCommand::CompleteUpload {
        bucket: BUCKET,
        complete: Box::new(complete.clone()),
    };
    assert_eq!(
        machine.run(command(&conditional)),
        KeyOutcome::PreconditionFailed
    );
    assert!(
        machine.garbage().is_empty(),
        "a refused completion changes nothing"
    );
    let last_alone = machine.complete(id, &[(1, 1)]);
    assert!(
        matches!(last_alone, KeyOutcome::UploadCompleted { .. }),
        "the last may be small"
    );
}

#[test]
fn uploads_and_parts_are_listed_in_pages() {
    let mut machine = Machine::keys();
    for n in [3, 1, 2] {
        machine.begin_upload(n);
    }
    let list = |start: Option<UploadStart>, max| {
        let first = start.map(|start| start.first_key().unwrap());
        let (from, after) = first.unwrap_or_default();
        let query = KeyQuery::ListUploads {
            bucket: BUCKET,
            list: RangeListing {
                prefix: ObjectKey::default(),
                delimiter: ObjectKey::default(),
                from,
                max,
            },
            after,
        };
        match machine.ask(query) {
            KeyAnswer::Uploads { page, rest: None } => page,
            other => panic!("{other:?}"),
        }
    };
    let ids = |page: &UploadPage| {
        page.uploads
            .iter()
            .map(|u| u.upload.id.0)
            .collect::<Vec<_>>()
    };
    let first = list(None, 2);
    assert_eq!(ids(&first), [1, 2]);
    let second = list(first.next, 2);
    assert_eq!((ids(&second), second.next), (vec![3], None));
    assert_eq!(
        ids(&list(Some(UploadStart::AfterKey("k".into())), 2)),
        [0u128; 0]
    );
    for number in [2, 10_000, 1] {
        machine.put_part(UploadId(1), part(number, 1, blobs(u64::from(number), 1)));
    }
    let query = KeyQuery::ListParts {
        bucket: BUCKET,
        key: "k".into(),
        upload: UploadId(1),
        after: 1,
        max: 1,
    };
    let KeyAnswer::Parts(Some(page)) = machine.ask(query) else {
        panic!("no upload");
    };
    assert_eq!((page.parts[0].number, page.more), (2, true));
}
