//! `cbm`: hands each verb to its module, and turns a failure into words and an exit code.

use std::process::ExitCode;

use cbm_node::{
    api::failure::{Code, Failure},
    cli::{self, Cli, Verb},
    config::LogFormat,
    guard, logs, runtime,
};
use clap::Parser;

fn main() -> ExitCode {
    let closed = guard::close().map_err(|e| refused(&e));
    match closed.and_then(|()| run(Cli::parse().verb)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::print::failure(&failure);
            ExitCode::from(failure.code.exit())
        }
    }
}

fn refused(error: &guard::GuardError) -> Failure {
    Failure::told(Code::Failed, "nothing was done", error, "start again without it")
}

fn run(verb: Verb) -> Result<(), Failure> {
    if verb.uses_keys() {
        guard::refuse_secrets(std::env::vars_os().map(|(name, _)| name))
            .map_err(|e| refused(&e))?;
    }
    match verb {
        Verb::Demo(args) => demo(&args),
        Verb::Lab(args) => cli::lab::run(&args),
        Verb::Keygen(args) => cli::keygen::run(&args),
        Verb::Keys(args) => cli::keys::run(&args),
        Verb::Accord(args) => ask(cli::accord::run(args)),
        Verb::Charter(args) => cli::charter::run(&args),
        Verb::Completions(args) => cli::completions::run(&args),
        Verb::Man(args) => cli::man::run(&args),
        Verb::Doctor(args) => ask(cli::doctor::run(args)),
        Verb::Config(args) => cli::config::run(&args),
        Verb::Run(node) => run_node(&node),
        Verb::Types(args) => cli::types::run(&args),
        Verb::Template(args) => cli::template::run(&args),
        Verb::Send(args) => ask(cli::send::run(args)),
        Verb::Status(args) => ask(cli::status::run(args)),
        Verb::Inbox(args) => ask(cli::inbox::run(args)),
        Verb::Show(args) => ask(cli::show::run(args)),
        Verb::Ack(args) => ask(cli::ack::run(args)),
        Verb::Decline(args) => ask(cli::decline::run(args)),
        Verb::Reply(args) => ask(cli::reply::run(args)),
        Verb::Peers(args) => ask(cli::peers::run(args)),
        Verb::Prune(args) => ask(cli::prune::run(args)),
        Verb::Directory(args) => ask(cli::directory::run(args)),
        Verb::Check(args) => ask(cli::check::run(args)),
        Verb::Notice(args) => ask(cli::notice::run(args)),
        Verb::Journal(args) => ask(cli::journal::run(args)),
        Verb::Backup(args) => ask(cli::backup::run(args)),
        Verb::Restore(args) => ask(cli::restore::run(args)),
    }
}

fn demo(args: &cli::demo::Demo) -> Result<(), Failure> {
    let runtime = runtime(tokio::runtime::Builder::new_multi_thread())?;
    runtime.block_on(cbm_node::demo::run(args.exit, args.seed))
}

fn run_node(node: &cli::Node) -> Result<(), Failure> {
    let config = node.config()?;
    let form = match config.log_format {
        LogFormat::Text => logs::Form::Text,
        LogFormat::Json => logs::Form::Json,
    };
    logs::start(&config.log_level, form).map_err(|e| {
        Failure::told(Code::Usage, "the node did not start", e, "correct log.level")
    })?;
    runtime(tokio::runtime::Builder::new_multi_thread())?.block_on(runtime::setup::run(config))
}

/// One question to a node needs one thread.
fn ask(question: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime(tokio::runtime::Builder::new_current_thread())?.block_on(question)
}

fn runtime(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Failure> {
    builder.enable_all().build().map_err(|e| {
        Failure::new(
            Code::Failed,
            "nothing was done",
            e,
            "allow the process more threads and files",
        )
    })
}
