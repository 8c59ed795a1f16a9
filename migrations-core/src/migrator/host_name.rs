//! Tenants' host names.

use crate::report::Error;

/// A host name in lower case: labels of letters, digits and hyphens (RFC 1123), at most 253 bytes.
pub(super) fn host_name(host: &str) -> Result<String, Error> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() <= 253 && host.split('.').all(is_label) {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(Error::Domain { domain: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_checked_and_folded() {
        assert_eq!(host_name("Shop.Example.com").ok().as_deref(), Some("shop.example.com"));
        for bad in ["", "a..b", "-a.b", "a_b", "https://a", "a:80", "a b", "ä.de", &"a".repeat(64), &"a.".repeat(200)]
        {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }
}
