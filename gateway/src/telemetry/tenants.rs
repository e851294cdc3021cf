//! The label `tenant`. A cluster may have any number of tenants, and each label of a metric is a time series
//! that is kept for as long as the process lives: so the first to come are named, and the others together.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// Tenants that are named, at most.
const NAMED_MAX: usize = 500;

/// What tenants beyond that are called together.
const OTHERS: &str = "other";

/// What requests of nobody known for nobody's bucket are counted under.
const NOBODY: &str = "none";

/// The tenants that are named.
pub(super) struct Tenants {
    named: RwLock<BTreeSet<String>>,
}

impl Tenants {
    pub(super) const fn new() -> Self {
        Self {
            named: RwLock::new(BTreeSet::new()),
        }
    }

    /// Whether a tenant is named from now on.
    fn has(&self, tenant: &str) -> bool {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        if named.contains(tenant) || named.len() >= NAMED_MAX {
            return named.contains(tenant);
        }
        drop(named);
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if named.len() < NAMED_MAX {
            named.insert(tenant.to_owned());
        }
        named.contains(tenant)
    }
}

/// The value of the label for a tenant's id.
pub(super) fn label_of(tenants: &Tenants, tenant: &str) -> String {
    let label = match tenant {
        "" => NOBODY,
        tenant if tenants.has(tenant) => tenant,
        _ => OTHERS,
    };
    label.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_tenants_there_are_few_are_named() {
        let tenants = Tenants::new();
        let labels: BTreeSet<String> = (0..2 * NAMED_MAX)
            .map(|number| label_of(&tenants, &format!("{number:012}")))
            .collect();
        assert_eq!(labels.len(), NAMED_MAX + 1);
        assert!(labels.contains(OTHERS));
        assert_eq!(label_of(&tenants, "000000000003"), "000000000003");
        assert_eq!(label_of(&tenants, ""), NOBODY);
    }
}
