//! A connection URL (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>).

use percent_encoding::percent_decode_str;

use super::keyword::find;

/// The parts of a URL, decoded.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Hosts, separated by commas.
    pub(super) hosts: String,
    /// Ports, separated by commas; empty if the URL names none.
    pub(super) ports: String,
    pub(super) database: String,
    pub(super) options: Vec<(String, String)>,
}

/// What is wrong with a URL, without any part of it.
pub(super) type Problem = &'static str;

/// The text after the scheme of a PostgreSQL URL.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Takes a URL without its scheme apart.
pub(super) fn url(rest: &str) -> Result<Url, Problem> {
    let mut url = Url::default();
    let (credentials, rest) = credentials(rest)?;
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        url.user = Some(decode(user)?);
        url.password = (!password.is_empty()).then(|| decode(password)).transpose()?;
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (servers, database) = rest.split_once('/').unwrap_or((rest, ""));
    (url.hosts, url.ports) = hosts(servers)?;
    url.database = decode(database)?;
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').ok_or("an option after the ? has no value")?;
        url.options.push((decode(name)?, decode(value)?));
    }
    Ok(url)
}

/// The user with the password, and the rest. A second `@` would be a part of the password, or of what is shown as the
/// host; an `@` in the value of an option is neither.
fn credentials(rest: &str) -> Result<(Option<&str>, &str), Problem> {
    if rest.matches('@').count() > 1 {
        return Err("it has more than one @; write one that is part of the password as %40");
    }
    let Some((before, after)) = rest.split_once('@') else { return Ok((None, rest)) };
    let Some((servers, options)) = before.split_once('?').filter(|(_, options)| options.contains('=')) else {
        return Ok((Some(before), after));
    };
    let is_option = |option: &str| option.split_once('=').is_some_and(|(name, _)| find(name).is_some());
    // What looks like a port can be the beginning of a password.
    if options.split('&').all(is_option) && !servers.contains(':') {
        Ok((None, rest))
    } else {
        Err("it has an @ after a ?; write one that is part of the password or of an option as %40, and the ? as %3F")
    }
}

/// The hosts and the ports, each separated by commas.
fn hosts(servers: &str) -> Result<(String, String), Problem> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for server in servers.split(',') {
        let (host, port) = match server.strip_prefix('[') {
            Some(literal) => {
                let (host, after) = literal.split_once(']').ok_or("an IPv6 address has no closing ]")?;
                let port = after.strip_prefix(':').or_else(|| after.is_empty().then_some(""));
                (host, port.ok_or("something other than a port follows an IPv6 address")?)
            }
            None => server.split_once(':').unwrap_or((server, "")),
        };
        hosts.push(decode(host)?);
        ports.push(decode(port)?);
    }
    let names_port = ports.len() > 1 || ports.iter().any(|port| !port.is_empty());
    let ports = if names_port { ports.join(",") } else { String::new() };
    Ok((hosts.join(","), ports))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, Problem> {
    let is_encoded = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_encoded) {
        return Err("a % is not followed by two hexadecimal digits; encode one that stands for itself as %25");
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "a percent-encoded part is not UTF-8")?;
    if decoded.contains('\0') { Err("it has a zero byte (%00)") } else { Ok(decoded.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Problem> {
        url(text).map(|url| {
            let Url { user, password, hosts, ports, database, options } = url;
            let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
            let options: Vec<_> = options.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            [user, password, hosts, ports, database, options.join(" ")].join("|")
        })
    }

    #[test]
    fn a_url_is_taken_apart() {
        for (text, parts) in [
            ("", "|||||"),
            ("db", "||db|||"),
            ("app:pw@db:5433/shop?sslmode=disable", "app|pw|db|5433|shop|sslmode=disable"),
            ("app@db", "app||db|||"),
            ("app:p%40w%3A@db/a%20b", "app|p@w:|db||a b|"),
            ("one:1,two,three:3/d", "||one,two,three|1,,3|d|"),
            ("[::1]:5432,[fe80::1]/d", "||::1,fe80::1|5432,|d|"),
            ("%2Fvar%2Frun/d", "||/var/run||d|"),
            ("/d?host=/tmp&port=1", "||||d|host=/tmp port=1"),
            ("db/d?options=-c%20a%3Db", "||db||d|options=-c a=b"),
            ("db/d?options=-c a=b", "||db||d|options=-c a=b"),
            ("db/d?user=me@home", "||db||d|user=me@home"),
            ("app:p/w?x@db/d", "app|p/w?x|db||d|"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(parts), "{text}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_is_a_problem() {
        for text in [
            "a:b@c@d",
            "db:1/d?user=me@home",
            "db/?password=a&@",
            "db/d?usr=me@home",
            "a:b?c=d@db",
            "[::1",
            "[::1]x",
            "db/%zz",
            "db/%f",
            "db/%",
            "db/%ff",
            "db/%00",
            "db/d?sslmode",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
