//! The command line and the output of the examples.

use std::any::Any;
use std::io::Write as _;
use std::panic;
use std::process::exit;

/// Returns the arguments. Prints the help and exits if `--help` is among them. Prints a sentence and
/// exits with code 2 if one is unknown.
///
/// Each line of `help` that starts with two spaces and `--` names a known argument.
pub(crate) fn arguments(help: &str) -> Vec<String> {
    exit_on_failed_output();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match check(&arguments, help) {
        Ok(true) => arguments,
        Ok(false) => {
            println!("{help}");
            exit(0)
        }
        Err(sentence) => fail(sentence),
    }
}

/// Returns whether to run the example: `false` for `--help`.
fn check(arguments: &[String], help: &str) -> Result<bool, String> {
    let words = || help.lines().filter_map(|line| line.strip_prefix("  "));
    let known =
        |argument: &str| words().any(|line| line.split([' ', '=']).next() == Some(argument));
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or_default();
        match name {
            "--help" | "-h" => return Ok(false),
            _ if name.starts_with("--") && known(name) => {}
            _ => return Err(format!("cannot understand `{argument}`; try --help")),
        }
    }
    Ok(true)
}

/// Prints a sentence on standard error and exits with code 2.
pub(crate) fn fail(sentence: impl std::fmt::Display) -> ! {
    let program = std::env::args().next().unwrap_or_default();
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    // Standard error may be closed.
    let _ = writeln!(std::io::stderr(), "{name}: {sentence}");
    exit(2)
}

/// Exits instead of panicking when standard output cannot be written: silently if it is a closed pipe,
/// as in `| head`, and with a sentence otherwise.
pub(crate) fn exit_on_failed_output() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| match output_error(info.payload()) {
        Some(error) if is_closed_pipe(error) => exit(0),
        Some(error) => fail(format!("cannot write the output: {error}")),
        None => before(info),
    }));
}

/// Returns the error with which `println!` has panicked.
fn output_error(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<String>()?;
    let text = text.strip_prefix("failed printing to std")?;
    text.split_once(": ").map(|(_, error)| error)
}

/// Returns whether an error is that of a closed pipe, on Unix or Windows.
fn is_closed_pipe(error: &str) -> bool {
    let codes = ["(os error 32)", "(os error 109)", "(os error 232)"];
    codes.iter().any(|code| error.ends_with(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_ends_the_program_silently() {
        for (text, error, is_silent) in [
            (
                "failed printing to stdout: Broken pipe (os error 32)",
                Some("Broken pipe (os error 32)"),
                true,
            ),
            (
                "failed printing to stdout: No space left on device (os error 28)",
                Some("No space left on device (os error 28)"),
                false,
            ),
            ("another panic", None, false),
        ] {
            let payload: Box<dyn Any + Send> = Box::new(text.to_owned());
            let found = output_error(&*payload);
            assert_eq!(found, error);
            assert_eq!(found.is_some_and(is_closed_pipe), is_silent, "{text}");
        }
    }

    #[test]
    fn unknown_arguments_are_named_in_a_sentence() {
        let help = "Shows something.\n\n  --serve=PORT  Goes on.";
        let checked = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|&text| text.to_owned()).collect();
            check(&arguments, help)
        };
        assert_eq!(checked(&[]), Ok(true));
        assert_eq!(checked(&["--serve=80"]), Ok(true));
        assert_eq!(checked(&["--serve", "-h"]), Ok(false));
        for unknown in ["--bogus", "foo", "Goes", "--"] {
            let sentence = format!("cannot understand `{unknown}`; try --help");
            assert_eq!(checked(&[unknown]), Err(sentence));
        }
    }
}
