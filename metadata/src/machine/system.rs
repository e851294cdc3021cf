//! The control group: the cluster's id and layout, and what becomes of its commands.

use minicbor::{Decode, Encode};
use riquet_cluster::layout::Layout;

use super::Batch;
use crate::codec::Record;
use crate::command::{IdentityChange, SystemCommand, SystemOutcome};
use crate::id::{ClusterId, Epoch};
use crate::keys;
use crate::limits::LAYOUT_CHANGES;
use crate::record::{Identity, LayoutChange};
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
            identities,
            key_groups,
        } = command
        {
            return Ok(match present {
                None => {
                    self.bootstrap(*cluster, layout, identities, *key_groups)?;
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
            SystemCommand::ChangeIdentity(change) => {
                Ok(SystemOutcome::Identity(self.change_identity(change)?))
            }
            SystemCommand::CreateBucket(new) => self.create_bucket(present.key_groups, new),
            SystemCommand::ConfigureBucket { bucket, change } => {
                self.configure_bucket(*bucket, change)
            }
            SystemCommand::BeginChange { bucket, kind } => {
                self.begin_change(present.key_groups, *bucket, kind)
            }
            SystemCommand::CommitChange { bucket, change } => self.commit_change(*bucket, *change),
            SystemCommand::CancelChange { bucket, change } => self.cancel_change(*bucket, *change),
            SystemCommand::EndChange { bucket, change } => self.end_change(*bucket, *change),
            SystemCommand::RecoverBucket(recover) => {
                self.recover_bucket(present.key_groups, recover)
            }
            SystemCommand::LifecycleTurn {
                bucket,
                worker,
                step,
            } => self.lifecycle_turn(*bucket, *worker, step),
        }
    }

    fn bootstrap(
        &mut self,
        cluster: ClusterId,
        layout: &Layout,
        identities: &[Identity],
        key_groups: u32,
    ) -> Result<(), StoreError> {
        let record = ClusterRecord {
            cluster,
            key_groups: key_groups.max(1),
            layout: layout.clone(),
        };
        self.note_layout(layout);
        self.state.put(keys::cluster(), &record);
        for identity in identities {
            // One that doesn't fit the others is left out: whoever bootstraps looks.
            self.change_identity(&IdentityChange::Create(Box::new(identity.clone())))?;
        }
        Ok(())
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
        self.note_layout(layout);
        let record = ClusterRecord {
            layout: layout.clone(),
            ..present
        };
        self.state.put(keys::cluster(), &record);
        SystemOutcome::LayoutStored
    }

    /// Remembers what made a layout, and forgets what made a very old one.
    fn note_layout(&mut self, layout: &Layout) {
        let change = LayoutChange::of(layout);
        self.state.put(keys::layout_change(layout.epoch), &change);
        if let Some(old) = layout.epoch.0.checked_sub(LAYOUT_CHANGES) {
            self.state.delete(keys::layout_change(Epoch(old)));
        }
    }
}
