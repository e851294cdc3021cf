//! A round does what the rules say of each version by itself, and never anything else.

use proptest::prelude::*;
use riquet_s3::config::lifecycle::{
    LifecycleAction, NoncurrentVersion, VersionFacts, VersionState,
};

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Put(u8, Vec<&'static str>),
    Delete(u8),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let tags = proptest::sample::subsequence(vec!["a", "b"], 0..=2);
    let op = prop_oneof![
        3 => (0_u8..4, tags).prop_map(|(key, tags)| Op::Put(key, tags)),
        1 => (0_u8..4).prop_map(Op::Delete),
    ];
    proptest::collection::vec(op, 1..14)
}

/// Filters and actions of rules.
fn rules() -> impl Strategy<Value = Vec<(String, String)>> {
    let filter = prop_oneof![
        Just(String::new()),
        (0_u8..4).prop_map(|key| format!("<Prefix>{}</Prefix>", key_name(key))),
        Just("<Tag><Key>a</Key><Value>1</Value></Tag>".to_owned()),
        Just("<ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>".to_owned()),
    ];
    let action = prop_oneof![
        (1_u8..4).prop_map(|days| format!("<Expiration><Days>{days}</Days></Expiration>")),
        (1_u8..4, 1_u8..3).prop_map(|(days, kept)| format!(
            "<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays>\
             <NewerNoncurrentVersions>{kept}</NewerNoncurrentVersions>\
             </NoncurrentVersionExpiration>"
        )),
        Just(
            "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
             </NoncurrentVersionExpiration>"
                .to_owned()
        ),
        Just(
            "<Transition><Days>1</Days><StorageClass>ONEZONE_IA</StorageClass></Transition>"
                .to_owned()
        ),
    ];
    proptest::collection::vec((filter, action), 1..4)
}

fn key_name(key: u8) -> String {
    format!("k{key}")
}

/// What is to become of the versions of a key, newest first: what stays by its sequence, each with its
/// class. A delete marker that is made stands in front, and has no sequence yet.
fn expected(
    rules: &LifecycleConfiguration,
    key: &str,
    versions: &[ObjectVersion],
    now: Timestamp,
) -> Vec<(Option<u64>, StorageClass)> {
    let mut left = Vec::new();
    for (place, version) in versions.iter().enumerate() {
        let head = &version.head;
        let noncurrent = || NoncurrentVersion {
            since: convert::moment(versions[place - 1].head.modified_ms),
            newer_versions: place as u32 - 1,
        };
        let state = match (place, head.delete_marker) {
            (0, true) if versions.len() == 1 => VersionState::LoneMarker,
            (0, true) => VersionState::Marker,
            (0, false) => VersionState::Current,
            (_, true) => VersionState::NoncurrentMarker(noncurrent()),
            (_, false) => VersionState::Noncurrent(noncurrent()),
        };
        let tags = TagSet::from_stored(version.body.tags.clone());
        let due = rules.due(
            &VersionFacts {
                key,
                tags: &tags,
                size_bytes: head.size_bytes,
                storage_class: convert::class(head.storage_class),
                created: convert::moment(head.modified_ms),
                state,
            },
            now,
            Day::Calendar,
        );
        match due.map(|due| due.action) {
            None => left.push((Some(head.sequence), head.storage_class)),
            Some(LifecycleAction::Transition(_)) => {
                left.push((Some(head.sequence), StorageClass::OneZoneIa));
            }
            Some(LifecycleAction::Expire) => {
                left.push((None, StorageClass::Standard));
                left.push((Some(head.sequence), head.storage_class));
            }
            Some(_) => {}
        }
    }
    left
}

async fn hold_against_model(ops: Vec<Op>, rules: Vec<(String, String)>, days: i64) {
    let world = World::new(Versioning::Enabled).await;
    for op in ops {
        match op {
            Op::Put(key, tags) => world.put(&key_name(key), world.blob(1 << 20), &tags).await,
            Op::Delete(key) => world.delete(&key_name(key)).await,
        }
    }
    let rules: Vec<_> = rules
        .iter()
        .map(|(filter, action)| (filter.as_str(), action.as_str()))
        .collect();
    world.set_rules(&rules).await;
    let parsed = rules::read(&world.metadata, world.bucket.id).await;
    let parsed = parsed.expect("it answers").expect("there are some");
    let mut by_key: Vec<(ObjectKey, Vec<ObjectVersion>)> = Vec::new();
    for listed in world.listed().await {
        let name = Some(listed.head.name());
        let version = world.metadata.get_version(&world.bucket, &listed.key, name);
        let version = *version.await.expect("it answers").expect("it is there");
        match by_key.last_mut() {
            Some((key, versions)) if *key == listed.key => versions.push(version),
            _ => by_key.push((listed.key, vec![version])),
        }
    }
    world.set_clock(days);
    let now = *world.now.lock().expect("nobody panics");
    let expected: Vec<_> = by_key
        .iter()
        .flat_map(|(key, versions)| {
            let text = convert::key_text(key);
            let left = expected(&parsed, &text, versions, now);
            left.into_iter()
                .map(move |(sequence, class)| (key.clone(), sequence, class))
        })
        .collect();
    let known: Vec<u64> = by_key
        .iter()
        .flat_map(|(_, versions)| versions.iter().map(|version| version.head.sequence))
        .collect();
    let tally = world.round_in(days).await;
    assert_eq!(tally.failed, 0);
    let found: Vec<_> = world
        .listed()
        .await
        .into_iter()
        .map(|listed| {
            let head = listed.head;
            let sequence = known.contains(&head.sequence).then_some(head.sequence);
            (listed.key, sequence, head.storage_class)
        })
        .collect();
    assert_eq!(found, expected, "{rules:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_round_does_what_the_rules_say_and_nothing_else(
        ops in ops(),
        rules in rules(),
        days in 0_i64..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(hold_against_model(ops, rules, days));
    }
}
