#![doc = include_str!("../README.md")]

use migrations_core::{Error, Migrator};

/// The reference application's migrator, for the `migrate` binary, the examples and the tests.
///
/// # Errors
///
/// When one of the two sets cannot be used.
///
/// ```
/// assert!(migrate::migrator()?.tenant_set().latest().is_some());
/// # Ok::<(), migrations_core::Error>(())
/// ```
pub fn migrator() -> Result<Migrator, Error> {
    Ok(Migrator::new(migrations_shared::set()?, migrations_tenant::set()?))
}

#[doc = include_str!("../docs/writing-migrations.md")]
#[cfg(doctest)]
struct WritingMigrations;
