//! `--password-command`: a program that knows the password, such as the client of a secret store.

use std::io;
use std::process::{Command, Stdio};

/// How much of the command's stderr an error shows, in characters.
const LONGEST: usize = 2_000;

/// A function that runs the command with `sh`, and returns the first line of its output. An error shows the exit code
/// and the command's stderr, never its stdout, which can be the password.
pub(crate) fn password_command(command: &str) -> impl Fn() -> Result<String, io::Error> + Send + Sync + 'static {
    let command = command.to_owned();
    move || {
        let mut shell = Command::new("sh");
        let ran = shell.arg("-c").arg(&command).stdin(Stdio::null()).output();
        let ran = ran.map_err(|error| io::Error::new(error.kind(), format!("sh cannot be started: {error}")))?;
        if !ran.status.success() {
            let said: String = String::from_utf8_lossy(&ran.stderr).trim().chars().take(LONGEST).collect();
            let said = if said.is_empty() { "it wrote nothing to stderr".to_owned() } else { said };
            return Err(io::Error::other(format!("the command failed ({}): {said}", ran.status)));
        }
        let text = String::from_utf8(ran.stdout).map_err(|_| io::Error::other("the command's output is not UTF-8"))?;
        let password = text.lines().next().unwrap_or_default();
        if password.is_empty() {
            return Err(io::Error::other("the first line of the command's output is empty; it has to be the password"));
        }
        Ok(password.to_owned())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(command: &str) -> Result<String, String> {
        password_command(command)().map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(run("echo 'a b'; echo more"), Ok("a b".to_owned()));
        assert_eq!(run("printf 'a\\r\\nb'"), Ok("a".to_owned()));
        assert_eq!(run("printf ' a '"), Ok(" a ".to_owned()), "spaces belong to it");
    }

    #[test]
    fn it_runs_again_for_every_password() -> io::Result<()> {
        let ask = password_command("date +%s%N");
        assert_ne!(ask()?, ask()?);
        Ok(())
    }

    #[test]
    fn an_error_shows_the_exit_code_and_stderr_and_not_stdout() {
        let error = run("echo Zq1; echo 'no such secret' >&2; exit 7");
        assert_eq!(error, Err("the command failed (exit status: 7): no such secret".to_owned()));
        assert!(
            run("echo Zq1; exit 1").is_err_and(|error| error.ends_with("(exit status: 1): it wrote nothing to stderr"))
        );
        assert!(run("true").is_err_and(|error| error.contains("is empty")));
        assert!(run("printf 'Zq1\\377'").is_err_and(|error| error.contains("not UTF-8") && !error.contains("Zq1")));
    }
}
