//! The control group: the cluster's id and layout, accounts, buckets.

use minicbor::{Decode, Encode};
use riquet_cluster::layout::Layout;

use super::Batch;
use super::recovery::first_group;
use crate::codec::Record;
use crate::command::{SystemCommand, SystemOutcome};
use crate::id::{BucketId, ChangeId, ClusterId, ObjectKey};
use crate::keys;
use crate::record::{Account, Bucket, TabletPlace};
use crate::store::StoreError;

/// What bootstrap fixes, and the layout.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ClusterRecord {
    #[n(0)]
    pub(crate) cluster: ClusterId,
    #[n(1)]
    pub(crate) key_groups: u32,
    #[n(2)]
    pub(crate) layout: Layout,
}

impl Record for ClusterRecord {
    const VERSION: u8 = 1;
}

impl Batch<'_> {
    pub(super) fn apply_system(
        &mut self,
        command: &SystemCommand,
    ) -> Result<SystemOutcome, StoreError> {
        let present = self.state.record::<ClusterRecord>(&keys::cluster())?;
        if let SystemCommand::Bootstrap {
            cluster,
            layout,
            root,
            key_groups,
        } = command
        {
            return Ok(match present {
                None => {
                    self.bootstrap(*cluster, layout, root, *key_groups);
                    SystemOutcome::Bootstrapped
                }
                Some(present) if present.cluster == *cluster => SystemOutcome::Bootstrapped,
                Some(present) => SystemOutcome::OtherCluster {
                    cluster: present.cluster,
                },
            });
        }
        let Some(present) = present else {
            return Ok(SystemOutcome::NotBootstrapped);
        };
        match command {
            SystemCommand::Bootstrap { .. } => unreachable!("answered above"),
            SystemCommand::PutLayout { layout } => Ok(self.put_layout(present, layout)),
            SystemCommand::PutAccount { account } => {
                self.state.put(keys::account(&account.access_key), account);
                Ok(SystemOutcome::AccountStored)
            }
            SystemCommand::DeleteAccount { access_key } => {
                self.state.delete(keys::account(access_key));
                Ok(SystemOutcome::AccountDeleted)
            }
            SystemCommand::CreateBucket {
                name,
                owner,
                region,
            } => self.create_bucket(present.key_groups, name, owner, region),
            SystemCommand::BeginChange { bucket, kind } => {
                self.begin_change(present.key_groups, *bucket, kind)
            }
            SystemCommand::CommitChange { bucket, change } => self.commit_change(*bucket, *change),
            SystemCommand::CancelChange { bucket, change } => self.cancel_change(*bucket, *change),
            SystemCommand::EndChange { bucket, change } => self.end_change(*bucket, *change),
            SystemCommand::RecoverBucket(recover) => {
                self.recover_bucket(present.key_groups, recover)
            }
        }
    }

    fn bootstrap(&mut self, cluster: ClusterId, layout: &Layout, root: &Account, key_groups: u32) {
        let record = ClusterRecord {
            cluster,
            key_groups: key_groups.max(1),
            layout: layout.clone(),
        };
        self.state.put(keys::cluster(), &record);
        self.state.put(keys::account(&root.access_key), root);
    }

    fn put_layout(&mut self, present: ClusterRecord, layout: &Layout) -> SystemOutcome {
        let current = present.layout.epoch;
        if layout.epoch.0 != current.0 + 1 {
            // A proposer that lost its answer may find its own layout in place.
            return if *layout == present.layout {
                SystemOutcome::LayoutStored
            } else {
                SystemOutcome::LayoutConflict { current }
            };
        }
        let record = ClusterRecord {
            layout: layout.clone(),
            ..present
        };
        self.state.put(keys::cluster(), &record);
        SystemOutcome::LayoutStored
    }

    fn create_bucket(
        &mut self,
        key_groups: u32,
        name: &str,
        owner: &str,
        region: &str,
    ) -> Result<SystemOutcome, StoreError> {
        if let Some(bucket) = self.state.record::<Bucket>(&keys::bucket(name))? {
            return Ok(SystemOutcome::BucketExists { bucket });
        }
        self.header.last_bucket += 1;
        let id = BucketId(self.header.last_bucket);
        let bucket = Bucket {
            id,
            name: name.to_owned(),
            owner: owner.to_owned(),
            created_ms: self.header.clock_ms,
            region: region.to_owned(),
            tablets: vec![TabletPlace {
                start: ObjectKey::default(),
                group: first_group(id, key_groups),
                since: ChangeId::default(),
            }],
        };
        self.put_bucket(&bucket);
        Ok(SystemOutcome::BucketCreated { bucket })
    }

    /// Stores a bucket under its name, its number and its owner.
    pub(super) fn put_bucket(&mut self, bucket: &Bucket) {
        let Bucket {
            id, name, owner, ..
        } = bucket;
        self.state.put(keys::bucket(name), bucket);
        self.state
            .put_bytes(keys::bucket_name(*id), name.as_bytes().to_vec());
        self.state
            .put_bytes(keys::owned_bucket(owner, name), Vec::new());
    }
}
