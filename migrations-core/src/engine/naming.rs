//! The rule for the schemas of new tenants.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::names::{SchemaName, TenantName, is_plain};
use crate::report::Error;

type Failure = Box<dyn StdError + Send + Sync>;
type Rule = dyn Fn(&TenantName) -> Result<SchemaName, Failure> + Send + Sync;

/// Names the schema of a tenant that is not registered.
#[derive(Clone)]
pub(crate) struct Naming(Arc<Rule>);

impl Naming {
    /// The application's rule.
    pub(crate) fn new<E: Into<Failure>>(
        rule: impl Fn(&TenantName) -> Result<SchemaName, E> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |name| rule(name).map_err(Into::into)))
    }

    /// The schema for the tenant.
    pub(crate) fn schema_for(&self, tenant: &TenantName) -> Result<SchemaName, Error> {
        (self.0)(tenant).map_err(|source| Error::NoSchema { tenant: tenant.clone(), source })
    }
}

impl Default for Naming {
    /// The schema has the tenant's name, if that is a plain identifier. A name that must be quoted wherever somebody
    /// types it should be the application's decision.
    fn default() -> Self {
        Self::new(|tenant| match tenant.as_str() {
            name if is_plain(name) => name.parse().map_err(Failure::from),
            _ => Err(Failure::from(
                "by default the schema has the tenant's name, but only if that is a plain identifier (a-z, 0-9 and _, not \
                 starting with a digit)",
            )),
        })
    }
}

impl fmt::Debug for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Naming")
    }
}
