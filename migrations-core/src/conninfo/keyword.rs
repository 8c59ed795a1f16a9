//! libpq's keywords, and the variable of each
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>).

/// The keywords of PostgreSQL 15 to 18, each with its variable; an empty name stands for none.
pub(super) const KEYWORDS: [(&str, &str); 50] = [
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("dbname", "PGDATABASE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("fallback_application_name", ""),
    ("client_encoding", "PGCLIENTENCODING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    // The driver's name for `keepalives_count`.
    ("keepalives_retries", ""),
    ("tcp_user_timeout", ""),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("require_auth", "PGREQUIREAUTH"),
    ("requirepeer", "PGREQUIREPEER"),
    ("replication", ""),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslcompression", "PGSSLCOMPRESSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslpassword", ""),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslsni", "PGSSLSNI"),
    ("sslkeylogfile", ""),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("min_protocol_version", "PGMINPROTOCOLVERSION"),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    ("gssencmode", "PGGSSENCMODE"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("gsslib", "PGGSSLIB"),
    ("gssdelegation", "PGGSSDELEGATION"),
    ("scram_client_key", ""),
    ("scram_server_key", ""),
    ("oauth_client_secret", ""),
    ("oauth_issuer", ""),
];

/// Keywords of OAuth that stand beside `oauth_issuer` and mean nothing without it.
const WITH_OAUTH: [&str; 2] = ["oauth_client_id", "oauth_scope"];

/// What other drivers call a keyword.
const ELSEWHERE: [(&str, &str); 8] = [
    ("username", "user"),
    ("pass", "password"),
    ("hostname", "host"),
    ("database", "dbname"),
    ("db", "dbname"),
    ("ssl", "sslmode"),
    ("search_path", "options"),
    ("timeout", "connect_timeout"),
];

/// The keyword of this name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    KEYWORDS.iter().map(|(keyword, _)| *keyword).chain(WITH_OAUTH).find(|keyword| *keyword == name)
}

/// Whether the keyword's value is a secret.
pub(super) fn is_secret(keyword: &str) -> bool {
    ["password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"].contains(&keyword)
}

/// The keyword that somebody who wrote `name` may have meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
        return Some(meant);
    }
    let known = KEYWORDS.iter().map(|(keyword, _)| (distance(keyword, &name), *keyword));
    known
        .min()
        .filter(|(distance, keyword)| *distance <= 2 && *distance <= keyword.len() / 2)
        .map(|(_, keyword)| keyword)
}

/// The number of characters to insert, delete or replace (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut diagonal = row.first().copied().unwrap_or_default();
        let mut left = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(other.bytes()) {
            let above = *cell;
            *cell = (diagonal + usize::from(byte != other)).min(above + 1).min(left + 1);
            (diagonal, left) = (above, *cell);
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_keyword_is_the_one_that_was_meant() {
        for (name, meant) in [
            ("sslmod", Some("sslmode")),
            ("ssl_mode", Some("sslmode")),
            ("SSLMode", Some("sslmode")),
            ("applicationname", Some("application_name")),
            ("usr", Some("user")),
            ("username", Some("user")),
            ("conect_timeout", Some("connect_timeout")),
            ("pool_size", None),
            ("schema", None),
            ("", None),
        ] {
            assert_eq!(nearest(name), meant, "{name}");
        }
    }

    #[test]
    fn a_distance_counts_single_characters() {
        for (one, other, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn no_keyword_is_listed_twice() {
        let mut names: Vec<_> = KEYWORDS.iter().map(|(keyword, _)| keyword).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYWORDS.len());
    }
}
