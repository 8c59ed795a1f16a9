//! A connection string: it is read, or it is refused, and a refusal does not repeat it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use migrations_core::Database;

fuzz_target!(|text: &str| {
    if let Ok(database) = Database::from_url(text) {
        let _ = format!("{database} {database:?} {:?}", database.config());
    }
    // libpq's URLs have no zero byte, and an empty password is none.
    if text.is_empty() || text.contains('\0') {
        return;
    }
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let database = Database::from_url(&format!("postgres://app:{encoded}@db/shop")).expect("it is percent-encoded");
    assert_eq!(database.config().get_password(), Some(text.as_bytes()));
    assert_eq!(database.to_string(), "database shop at db:5432 as app");
});
