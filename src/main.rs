//! The `vipcast` program: everything it does is in the library.

fn main() -> std::process::ExitCode {
    vipcast::cli::main()
}
