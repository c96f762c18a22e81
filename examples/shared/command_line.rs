//! What the examples do with their command line and their output.

use std::any::Any;
use std::io::Write as _;
use std::panic;
use std::process::exit;

/// Ends the program with its help, if that is asked for, or with a sentence, if there are
/// arguments that the example does not know. Returns the known ones that are there.
///
/// Each line of `help` that begins with two blanks and `--` names a known argument.
pub(crate) fn arguments(help: &str) -> Vec<String> {
    end_with_the_reader();
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

/// Returns whether to go on: not if `--help` is asked for.
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

/// Ends the program with a sentence on standard error, and exit code 2.
pub(crate) fn fail(sentence: impl std::fmt::Display) -> ! {
    let program = std::env::args().next().unwrap_or_default();
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    // Nobody may read it.
    let _ = writeln!(std::io::stderr(), "{name}: {sentence}");
    exit(2)
}

/// Ends the program where nobody reads its output any more, as in `| head`, instead of a panic.
pub(crate) fn end_with_the_reader() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if is_broken_pipe(info.payload()) {
            exit(0);
        }
        before(info);
    }));
}

/// Whether a panic is that of `println!` to a closed pipe.
fn is_broken_pipe(payload: &(dyn Any + Send)) -> bool {
    let text = payload.downcast_ref::<String>();
    text.is_some_and(|text| text.starts_with("failed printing to std"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_arguments_are_answered_by_a_sentence() {
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
