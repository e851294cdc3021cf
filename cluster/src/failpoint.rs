//! Places where a process can be made to die: between two steps, each of which a crash may part from
//! the next.
//!
//! They do nothing unless the variable `FAILPOINTS` was set when the process started, in the form that
//! the crate `fail` reads: `FAILPOINTS='gateway::put::committed=5%return'` lets a gateway die after one
//! in twenty commits, before it answers. `return` means death, as by SIGKILL: nothing is flushed, nothing
//! is said. A place that nobody armed costs a look into an empty table.
//!
//! | name | the process dies |
//! | --- | --- |
//! | `gateway::put::durable` | when all shards of an object or part are durable, before the commit |
//! | `gateway::put::committed` | after the commit, before the answer |
//! | `gateway::complete::begun` | before a multipart upload's completion is committed |
//! | `gateway::complete::committed` | after it, before the answer |
//! | `gateway::delete::begun` | before a deletion is committed |
//! | `gateway::delete::committed` | after it, before the answer |
//! | `gateway::lifecycle::rewritten` | when an object's blobs were written in another class, before the commit |
//! | `gateway::lifecycle::committed` | after it |
//! | `node::commit::begun` | when records are written, before their sync |
//! | `node::commit::synced` | after the sync, before the index has them |
//! | `node::commit::indexed` | after that, before the answers |
//! | `node::repair::stored` | when a shard was made anew, before its debt is struck |
//! | `node::garbage::removed` | when garbage was removed, before its entry is dropped |
//! | `node::garbage::struck` | when what a disk was to remove is removed, before that is struck |
//! | `node::sweep::aborted` | when an orphan's commit is ruled out, before its shards are removed |
//! | `node::migration::stored` | when a shard was copied from the disk that its slot comes from |
//! | `node::migration::copied` | when all that comes to a disk is there, before that is committed |
//! | `node::migration::confirmed` | when a shard is known to be on its new disk, before it is removed from the old one |
//! | `node::compact::copied` | when a record was copied to another segment, before the index knows |
//! | `node::compact::flushed` | when nothing points into a segment any more, before it is removed |

/// Reads `FAILPOINTS`; places are armed until the process ends.
pub fn arm() {
    if std::env::var_os("FAILPOINTS").is_some() {
        // Never torn down.
        std::mem::forget(fail::FailScenario::setup());
        tracing::warn!(points = ?fail::list(), "this process dies on purpose");
    }
}

/// Dies here if this place is armed.
pub fn die_at(name: &'static str) {
    let die = |_| -> () {
        // No destructor runs, no buffer is flushed: what is not durable is lost.
        std::process::abort();
    };
    // The macro returns from the function that it stands in.
    fail::fail_point!(name, die);
}
