//! The operations of a migrator: ways to make units of work, in order.
//!
//! | file | what it is |
//! | --- | --- |
//! | `extensions` | extensions that tenants' migrations need, created once |
//! | `prepare` | the registry and the shared set, which come before the tenants |
//! | `capacity` | capacity risks, found before the run |
//! | `pool` | spare schemas, for sign-ups that cannot wait |
//! | `sign_up` | get-or-create, and forgetting a tenant whose schema is gone |
//! | `status` | where every schema stands, without changing any schema |
//! | `adoption` | existing schemas, registered as tenants |
//! | `baseline` | migrations that are declared to be applied, and the proof of it |
//! | `repair` | histories and registries that are wrong: explained, and corrected |
//! | `import` | histories of other migration tools, written as the sets' |
//! | `dry_run` | what a run would send, without sending it |
//! | `run` | the fixed order, and the barrier after it |

pub(crate) mod adoption;
pub(crate) mod baseline;
mod capacity;
pub(crate) mod dry_run;
mod extensions;
pub(crate) mod import;
pub(crate) mod pool;
mod prepare;
pub(crate) mod repair;
pub(crate) mod run;
pub(crate) mod sign_up;
pub(crate) mod status;
