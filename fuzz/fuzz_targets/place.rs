//! The place of an error: from a position in what a tenant is sent to a character of a migration.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|migrations: (String, String)| migrations_core::fuzzing::check_places(&migrations.0, &migrations.1));
