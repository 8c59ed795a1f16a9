//! The sources together: which one wins, what it becomes, and what no error says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postgres::config::{ChannelBinding, Host, LoadBalanceHosts, SslMode, SslNegotiation, TargetSessionAttrs};
use proptest::collection::btree_map;
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::tls::{ClientCertificate, TlsMode, TlsRoots, TlsSettings};
use super::{Conninfo, from_text, from_variables};
use crate::report::Error;

fn from(variables: &[(&str, &str)]) -> Result<Conninfo, Error> {
    from_variables(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

fn of(text: &str) -> Result<Conninfo, Error> {
    from_text(text, &|_| None)
}

/// `user:password@host:port/database`, as far as they are known.
fn shown(conninfo: Result<Conninfo, Error>) -> Result<String, String> {
    let config = conninfo.map_err(|error| error.to_string())?.config;
    let hosts = config.get_hosts().iter().zip(config.get_ports()).map(|(host, port)| match host {
        Host::Tcp(host) => format!("{host}:{port}"),
        Host::Unix(path) => format!("{}:{port}", path.display()),
    });
    let password = config.get_password().map(String::from_utf8_lossy).unwrap_or_default();
    let (user, database) = (config.get_user().unwrap_or_default(), config.get_dbname().unwrap_or_default());
    Ok(format!("{user}:{password}@{}/{database}", hosts.collect::<Vec<_>>().join(",")))
}

fn problem(conninfo: Result<Conninfo, Error>) -> String {
    conninfo.err().map_or_else(|| "no error".to_owned(), |error| error.to_string())
}

/// A folder with these files, which only their owner can read.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: &[(&str, &str)]) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("migrate-conninfo-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        for (name, text) in files {
            fs::write(folder.join(name), text)?;
            protect(&folder.join(name), 0o600)?;
        }
        Ok(Self(folder))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
fn protect(file: &std::path::Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(file, fs::Permissions::from_mode(mode))
}

#[test]
fn libpq_s_variables_say_what_the_url_does_not() {
    let variables =
        [("PGPASSWORD", "pw"), ("PGUSER", "u"), ("PGPORT", "6000"), ("PGDATABASE", "d"), ("PGHOST", "other")];
    for (url, expected) in [
        ("postgres://db", "u:pw@db:6000/d"),
        ("postgres://me:mine@db:7000/shop", "me:mine@db:7000/shop"),
        ("postgres:///shop", "u:pw@other:6000/shop"),
        ("host=db user=me", "me:pw@db:6000/d"),
        ("hostaddr=127.0.0.1 user=me", "me:pw@127.0.0.1:6000/d"),
    ] {
        let all: Vec<_> = [("DATABASE_URL", url)].into_iter().chain(variables).collect();
        assert_eq!(shown(from(&all)).as_deref(), Ok(expected), "{url}");
        assert!(of(url).is_ok_and(|alone| alone.config.get_password() != Some(b"pw")), "{url}");
    }
}

#[test]
fn an_address_of_a_lower_source_does_not_lead_away_from_a_higher_source_s_host() {
    let conninfo = from(&[("DATABASE_URL", "postgres://u@db/d"), ("PGHOSTADDR", "10.0.0.1")]);
    assert!(conninfo.is_ok_and(|conninfo| conninfo.config.get_hostaddrs().is_empty()));
}

#[test]
fn a_family_counts_when_nothing_else_names_a_database() {
    let postgres = [("POSTGRES_HOST", "one"), ("POSTGRES_USER", "u"), ("POSTGRES_PASSWORD", "p"), ("POSTGRES_DB", "d")];
    assert_eq!(shown(from(&postgres)).as_deref(), Ok("u:p@one:5432/d"));
    let with = |more: &[(&'static str, &'static str)]| shown(from(&[&postgres, more].concat()));
    // The first family wins; libpq's variables say what it does not.
    assert_eq!(with(&[("DB_HOST", "two"), ("DB_NAME", "e")]).as_deref(), Ok("u:p@one:5432/d"));
    assert_eq!(with(&[("PGPORT", "7"), ("PGUSER", "other")]).as_deref(), Ok("u:p@one:7/d"));
    // Anything of libpq's that names a database comes first, and then the family does not count at all.
    assert_eq!(with(&[("PGHOST", "pg"), ("PGUSER", "me")]).as_deref(), Ok("me:@pg:5432/me"));
    assert_eq!(with(&[("DATABASE_URL", "postgres://me@url")]).as_deref(), Ok("me:@url:5432/me"));
    // A family without a host and a database does not count.
    let second = [("POSTGRES_USER", "x"), ("DB_HOST", "two"), ("DB_USER", "v"), ("DB_DATABASE", "e"), ("DB_PORT", "9")];
    assert_eq!(shown(from(&second)).as_deref(), Ok("v:@two:9/e"));
    // Kubernetes sets this for a service that is called `db`.
    let kubernetes = [("DB_HOST", "db"), ("DB_USER", "v"), ("DB_PORT", "tcp://10.0.0.1:5433")];
    assert_eq!(shown(from(&kubernetes)).as_deref(), Ok("v:@db:5432/v"));
    assert!(matches!(from(&[("POSTGRES_USER", "x"), ("DB_PASSWORD", "y")]), Err(Error::NoDatabase)));
    assert!(matches!(from(&[("PGUSER", "x"), ("PGPASSWORD", "y")]), Err(Error::NoDatabase)));
}

#[test]
fn a_service_stands_between_the_url_and_the_variables() -> io::Result<()> {
    let services = "[shop]\nhost=service\nport=1\nuser=s\npassword=sp\ndbname=sd\nsslmode=disable\n[other]\nhost=x\n";
    let files = Files::new("service", &[("services", services), (".pg_service.conf", "[home]\nhost=home\nuser=h\n")])?;
    fs::create_dir_all(files.0.join("system"))?;
    fs::write(files.0.join("system/pg_service.conf"), "[system]\nhost=system\nuser=y\n")?;
    let (file, home, system) = (files.path("services"), files.path(""), files.path("system"));
    let with = |more: &[(&str, &str)]| {
        from(&[&[("PGSERVICEFILE", file.as_str()), ("PGUSER", "u"), ("PGAPPNAME", "a")], more].concat())
    };
    assert_eq!(shown(with(&[("PGSERVICE", "shop")])).as_deref(), Ok("s:sp@service:1/sd"));
    let url = ("DATABASE_URL", "postgres://me@db/d?service=shop");
    assert_eq!(shown(with(&[url, ("PGSERVICE", "other")])).as_deref(), Ok("me:sp@db:1/d"));
    let conninfo = with(&[("PGSERVICE", "shop")]);
    assert!(conninfo.is_ok_and(|found| {
        found.role_from == format!("the service \"shop\" in {file}") && found.tls.mode == TlsMode::Disable
    }));
    let at_home = from(&[("PGSERVICE", "home"), ("HOME", &home)]);
    assert_eq!(shown(at_home).as_deref(), Ok("h:@home:5432/h"));
    let systems = from(&[("PGSERVICE", "system"), ("HOME", &home), ("PGSYSCONFDIR", &system)]);
    assert_eq!(shown(systems).as_deref(), Ok("y:@system:5432/y"));
    let missing = problem(with(&[("PGSERVICE", "nobody")]));
    assert!(
        missing.starts_with("the connection parameter service, from the variable PGSERVICE, cannot be used: there is")
    );
    assert!(missing.contains(&file), "{missing}");
    Ok(())
}

#[test]
fn a_password_file_has_the_password_of_the_host_that_is_tried() -> io::Result<()> {
    let lines = "db:5432:shop:app:first\nlocalhost:*:*:app:local\n*:*:*:app:any\n";
    let files =
        Files::new("pgpass", &[("passwords", lines), (".pgpass", "*:*:*:*:home\n"), ("open", "*:*:*:*:open\n")])?;
    protect(&files.0.join("open"), 0o640)?;
    let (file, home) = (files.path("passwords"), files.path(""));
    let with = |url: &str| shown(from(&[("DATABASE_URL", url), ("PGPASSFILE", &file)]));
    assert_eq!(with("postgres://app@db/shop").as_deref(), Ok("app:first@db:5432/shop"));
    assert_eq!(with("postgres://app@db/x").as_deref(), Ok("app:any@db:5432/x"));
    assert_eq!(with("postgres://app@%2Ftmp/x").as_deref(), Ok("app:local@/tmp:5432/x"));
    assert_eq!(with("postgres://app:mine@db/shop").as_deref(), Ok("app:mine@db:5432/shop"));
    assert_eq!(with("postgres://other@db/shop").as_deref(), Ok("other:@db:5432/shop"));
    assert_eq!(with("postgres://app@one,two/x").as_deref(), Ok("app:any@one:5432,two:5432/x"));
    let several = with("postgres://app@db,other/shop");
    assert!(several.is_err_and(|error| error.contains("passfile") && !error.contains("first")));
    let at_home = |path: &str| from_text(path, &|name| (name == "HOME").then(|| home.clone()));
    assert_eq!(shown(at_home("postgres://app@db/shop")).as_deref(), Ok("app:home@db:5432/shop"));
    let named = format!("host=db user=app passfile={file}");
    assert_eq!(shown(at_home(&named)).as_deref(), Ok("app:any@db:5432/app"));
    let open = format!("host=db user=app passfile={}", files.path("open"));
    assert_eq!(shown(of(&open)).as_deref(), Ok("app:@db:5432/app"), "others can read the file");
    Ok(())
}

#[test]
fn an_error_can_say_where_the_role_comes_from() {
    let url = |url: &'static str| ("DATABASE_URL", url);
    for (variables, expected) in [
        (&[url("postgres://a@h")][..], "the URL"),
        (&[url("host=h user=a")], "the connection string"),
        (&[url("postgres://h"), ("PGUSER", "a")], "the variable PGUSER"),
        (&[url("postgres://h"), ("USER", "a")], "the variable USER, because neither the URL nor PGUSER names a role"),
        (&[("PGHOST", "h"), ("USER", "a")], "the variable USER, because PGUSER does not name a role"),
        (&[("PGHOST", "h")], "the operating system's user, because PGUSER does not name a role"),
        (&[("POSTGRES_HOST", "h"), ("POSTGRES_USER", "a")], "the variable POSTGRES_USER"),
    ] {
        assert!(from(variables).is_ok_and(|found| found.role_from == expected), "{variables:?}");
    }
    let alone = from_text("postgres://h", &|name| (name == "USER").then(|| "a".to_owned()));
    assert!(alone.is_ok_and(|found| found.role_from == "the variable USER, because the URL does not name a role"));
}

#[test]
fn every_keyword_that_the_driver_knows_reaches_it() -> Result<(), Error> {
    let conninfo =
        of("host=h user=a application_name=x fallback_application_name=y options='-c a=b' connect_timeout=7 \
                       keepalives=0 keepalives_idle=1 keepalives_interval=2 keepalives_count=3 tcp_user_timeout=1500 \
                       target_session_attrs=read-write load_balance_hosts=random channel_binding=require \
                       sslmode=verify-full sslnegotiation=direct sslrootcert=/r sslcert=/c sslkey=/k sslsni=1")?;
    let config = conninfo.config;
    assert_eq!((config.get_application_name(), config.get_options()), (Some("x"), Some("-c a=b")));
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(7)));
    assert_eq!(conninfo.connect_timeout_from.as_deref(), Some("the connection string"));
    assert_eq!((config.get_keepalives(), config.get_keepalives_idle()), (false, Duration::from_secs(1)));
    assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(2)));
    assert_eq!(config.get_keepalives_retries(), Some(3));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert_eq!(config.get_load_balance_hosts(), LoadBalanceHosts::Random);
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    assert_eq!(config.get_ssl_negotiation(), SslNegotiation::Direct);
    assert_eq!(config.get_ssl_mode(), SslMode::Prefer, "the mode is in `tls`");
    let (roots, key) = (Some(TlsRoots::File(PathBuf::from("/r"))), Some(PathBuf::from("/k")));
    let certificate = ClientCertificate::File(PathBuf::from("/c"));
    let expected = TlsSettings { mode: TlsMode::VerifyFull, roots, certificate, key, home: None };
    assert_eq!(conninfo.tls, expected);
    Ok(())
}

#[test]
fn no_certificate_is_not_the_default_one() -> Result<(), Error> {
    let text = "host=h sslcertmode=disable sslcert=/c sslkey=/k";
    for found in [of(text)?, from(&[("PGHOST", "h"), ("PGSSLCERTMODE", "disable")])?] {
        assert_eq!(found.tls.certificate, ClientCertificate::Disabled);
        assert_eq!(found.tls.parameters(), [("sslcertmode", "disable".to_owned())]);
    }
    assert_eq!(of("host=h")?.tls.certificate, ClientCertificate::Default);
    Ok(())
}

#[test]
fn the_home_of_the_default_files_is_the_variables_own() -> Result<(), Error> {
    let home = Some(PathBuf::from("/home/ada"));
    assert_eq!(from(&[("PGHOST", "h"), ("HOME", "/home/ada")])?.tls.home, home);
    assert_eq!(from_text("host=h", &|name| (name == "HOME").then(|| "/home/ada".to_owned()))?.tls.home, home);
    Ok(())
}

#[test]
fn a_mode_of_the_driver_is_never_weakened() {
    for (mode, expected) in
        [(SslMode::Disable, TlsMode::Disable), (SslMode::Prefer, TlsMode::Prefer), (SslMode::Require, TlsMode::Require)]
    {
        assert_eq!(TlsMode::of_driver(mode), expected);
        assert_eq!(TlsMode::of_driver(expected.for_driver()), expected);
    }
}

#[test]
fn the_system_s_roots_mean_that_the_host_is_checked() {
    let mode = |url: &str| of(url).map(|found| (found.tls.mode, found.tls.roots)).map_err(|error| error.to_string());
    let system = Ok((TlsMode::VerifyFull, Some(TlsRoots::System)));
    assert_eq!(mode("postgres://h?sslrootcert=system"), system);
    assert_eq!(mode("postgres://h?sslrootcert=system&sslmode=verify-full"), system);
    assert!(mode("postgres://h?sslrootcert=system&sslmode=verify-ca").is_err());
    assert!(mode("postgres://h?sslnegotiation=direct").is_err());
    for (word, expected) in [
        ("disable", TlsMode::Disable),
        ("allow", TlsMode::Allow),
        ("prefer", TlsMode::Prefer),
        ("require", TlsMode::Require),
        ("verify-ca", TlsMode::VerifyCa),
    ] {
        assert_eq!(mode(&format!("postgres://h?sslmode={word}")), Ok((expected, None)), "{word}");
    }
    assert_eq!(mode("postgres://h"), Ok((TlsMode::Prefer, None)));
}

#[test]
fn an_empty_word_does_not_hide_a_stricter_one() {
    let strict = [("PGSSLMODE", "verify-full"), ("PGCHANNELBINDING", "require")];
    let with = |url| from(&[&strict[..], &[("DATABASE_URL", url)]].concat());
    for url in ["postgres://h/d?sslmode=", "host=h sslmode=''", "host=h sslmode=", "postgres://h/d?channel_binding="] {
        assert!(problem(with(url)).contains("write one of"), "{url}: {}", problem(with(url)));
    }
    assert!(with("postgres://h/d").is_ok_and(|found| found.tls.mode == TlsMode::VerifyFull));
}

#[test]
fn the_older_variable_for_tls_counts() {
    let mode = |more: &[(&str, &str)]| from(&[&[("PGHOST", "h")], more].concat()).map(|found| found.tls.mode);
    assert!(mode(&[("PGREQUIRESSL", "1")]).is_ok_and(|mode| mode == TlsMode::Require));
    assert!(mode(&[("PGREQUIRESSL", "0")]).is_ok_and(|mode| mode == TlsMode::Prefer));
    let both = [("PGREQUIRESSL", "1"), ("PGSSLMODE", "disable")];
    assert!(mode(&both).is_ok_and(|mode| mode == TlsMode::Disable));
}

#[test]
fn a_keyword_that_cannot_be_honoured_is_refused_by_name() {
    for (option, other) in [
        ("sslcrl=/crl", ""),
        ("sslcrldir=/crl", ""),
        ("sslpassword=Zq1", ""),
        ("sslcertmode=require", "sslcertmode=allow"),
        ("gssencmode=require", "gssencmode=prefer"),
        ("krbsrvname=other", "krbsrvname=postgres"),
        ("gsslib=sspi", "gsslib=gssapi"),
        ("gssdelegation=1", "gssdelegation=0"),
        ("requirepeer=postgres", "requirepeer="),
        ("require_auth=scram-sha-256", "require_auth="),
        ("ssl_min_protocol_version=TLSv1.3", "ssl_min_protocol_version=TLSv1.2"),
        ("ssl_max_protocol_version=TLSv1.2", "ssl_max_protocol_version=TLSv1.3"),
        ("min_protocol_version=3.2", "min_protocol_version=3.0"),
        ("max_protocol_version=2.0", "max_protocol_version=latest"),
        ("client_encoding=LATIN1", "client_encoding=utf-8"),
        ("replication=database", "replication=off"),
        ("scram_client_key=Zq1", ""),
        ("scram_server_key=Zq1", ""),
        ("oauth_issuer=https://issuer", "oauth_scope=x"),
        ("target_session_attrs=primary", "target_session_attrs=any"),
        ("target_session_attrs=standby", "target_session_attrs=read-only"),
        ("sslmode=always", "sslmode=allow"),
        ("connect_timeout=soon", "connect_timeout=0"),
        ("sslcompression=", "sslcompression=1"),
    ] {
        let keyword = option.split('=').next().unwrap_or_default();
        let refused = problem(of(&format!("host=h {option}")));
        if !option.ends_with('=') {
            let named = format!("the connection parameter {keyword}, from the connection string, cannot be used: ");
            assert!(refused.starts_with(&named) && !refused.contains("Zq"), "{option}: {refused}");
        }
        assert!(of(&format!("host=h {other}")).is_ok(), "{other}");
    }
    for harmless in ["sslsni=0", "sslcompression=1", "sslkeylogfile=/f", "fallback_application_name=x"] {
        assert!(of(&format!("host=h {harmless}")).is_ok(), "{harmless}");
    }
}

#[test]
fn an_unknown_option_is_named_unless_it_can_be_a_part_of_a_password() {
    for (text, says) in [
        ("postgres://h/d?sslmod=require", "an option sslmod that is not known (did you mean sslmode?)"),
        ("host=h pool_size=3", "an option pool_size that is not known;"),
        ("host=h username=a", "an option username that is not known (did you mean user?)"),
        ("host=h password=Zq1 Zq2=Zq3", "an option that is not known;"),
        ("postgres://h/d?password=Zq1&Zq2=Zq3", "an option that is not known;"),
        ("host=h Zq%=1", "an option that is not known;"),
        ("mysql://app:Zq1@h/d?a=b", "it does not begin with postgres:// or postgresql://"),
    ] {
        let found = problem(of(text));
        assert!(found.contains(says), "{text}: {found}");
        assert!(!found.contains("Zq"), "{text}: {found}");
    }
    let value = problem(of("host=h sslmode=always"));
    assert!(value.contains("\"always\" is not valid; write one of disable, allow"), "{value}");
    // After a password, the value of another option can be a part of the password.
    for text in ["host=h password=a sslmode=Zq1", "postgres://app:Zq1/d", "postgres://h/d?password=a&port=Zq1"] {
        assert!(!problem(of(text)).contains("Zq"), "{text}: {}", problem(of(text)));
    }
}

/// The keywords whose values the round trip compares.
fn texts() -> impl proptest::strategy::Strategy<Value = BTreeMap<&'static str, String>> {
    let keywords = proptest::sample::select(vec!["user", "password", "dbname", "options", "application_name"]);
    btree_map(keywords, "[^\u{0}]{1,12}", 0..5)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

proptest! {
    #[test]
    fn what_is_written_into_a_url_comes_out_the_same(texts in texts(), port in 1u16.., host in "[a-z]{1,8}") {
        let options: Vec<_> = texts.iter().map(|(keyword, value)| format!("{keyword}={}", encoded(value))).collect();
        let as_options = of(&format!("postgres://{host}:{port}/?{}", options.join("&")));
        let part = |keyword| texts.get(keyword).map(|value| encoded(value)).unwrap_or_default();
        let rest: Vec<_> = options.iter().filter(|option| {
            option.starts_with("options") || option.starts_with("application")
        }).cloned().collect();
        let (user, password, name) = (part("user"), part("password"), part("dbname"));
        let as_parts = of(&format!("postgresql://{user}:{password}@{host}:{port}/{name}?{}", rest.join("&")));
        let quoted = |value: &str| format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"));
        let pairs: Vec<_> = texts.iter().map(|(keyword, value)| format!("{keyword} = {}", quoted(value))).collect();
        let as_pairs = of(&format!("host={host} port={port} {}", pairs.join(" ")));
        for conninfo in [as_options, as_parts, as_pairs] {
            let config = conninfo.map_err(|error| TestCaseError::fail(error.to_string()))?.config;
            let text = |keyword| texts.get(keyword).map(String::as_str);
            prop_assert_eq!(config.get_user(), text("user"));
            prop_assert_eq!(config.get_password(), text("password").map(str::as_bytes));
            prop_assert_eq!(config.get_dbname(), text("dbname").or(text("user")));
            prop_assert_eq!(config.get_options(), text("options"));
            prop_assert_eq!(config.get_application_name(), text("application_name"));
            prop_assert_eq!(config.get_hosts(), [Host::Tcp(host.clone())]);
            prop_assert_eq!(config.get_ports(), [port]);
        }
    }

    #[test]
    fn arbitrary_text_never_shows_a_password(
        before in "[ -~]{0,12}", after in "[ -~]{0,12}", inside in "[!-~]{0,4}", form in 0usize..4
    ) {
        let password = format!("ZqqZ{inside}ZqqZ");
        let text = match form {
            0 => format!("postgres://app:{password}@{before}/{after}"),
            1 => format!("postgres://app:{password}{before}@db/{after}"),
            2 => format!("host=db password={password} {after}"),
            _ => format!("postgres://db/{}?password={password}&{after}", encoded(&before)),
        };
        let text = match of(&text) {
            Err(error) => format!("{error} {error:?}"),
            // Everything but the password, which the driver leaves out.
            Ok(found) => format!("{:?} {} {:?}", found.config, found.role_from, found.tls),
        };
        prop_assert!(!text.contains("ZqqZ"), "{}", text);
    }

    #[test]
    fn arbitrary_text_is_read_or_refused(text in ".{0,40}", scheme in proptest::bool::ANY) {
        let text = if scheme { format!("postgres://{text}") } else { text };
        let _ = of(&text);
        let _ = from(&[("DATABASE_URL", &text), ("PGHOST", &text), ("PGPORT", &text), ("DB_HOST", &text)]);
    }
}
