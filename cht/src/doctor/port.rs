//! Ports at which the tools listen unless they are told otherwise.

use std::{io, net::TcpListener};

use super::finding::Finding;

/// Where a tool listens.
#[derive(Debug)]
pub(crate) struct Port {
    name: &'static str,
    address: &'static str,
    /// Option that chooses another.
    option: &'static str,
    bound: Result<(), io::ErrorKind>,
}

/// Looks at the port of the recorder and that of the pages.
pub(crate) fn both() -> [Port; 2] {
    [
        Port::look("recorder", "127.0.0.1:4444", "cht live --listen tcp://127.0.0.1:4445"),
        Port::look("pages", "127.0.0.1:8080", "cht live --page=127.0.0.1:8081"),
    ]
}

impl Port {
    fn look(name: &'static str, address: &'static str, option: &'static str) -> Self {
        let bound = TcpListener::bind(address).map(drop).map_err(|error| error.kind());
        Self { name, address, option, bound }
    }

    pub(crate) fn judge(&self) -> Finding {
        let Self { name, address, option, bound } = self;
        match bound {
            Ok(()) => Finding::fine(name, format!("{address} is free")),
            Err(io::ErrorKind::AddrInUse) => Finding::limited(
                name,
                format!("{address} is in use, perhaps by one that runs already"),
                format!("ss -ltnp shows the program; or choose another: {option}"),
            ),
            Err(error) => Finding::limited(
                name,
                format!("{address}: {error}"),
                format!("choose another: {option}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn port_in_use_names_the_way_to_another() {
        let port = |bound| Port { name: "pages", address: "127.0.0.1:1", option: "--page", bound };
        assert_eq!(port(Ok(())).judge().state, State::Fine);
        let finding = port(Err(io::ErrorKind::AddrInUse)).judge();
        assert!(finding.state == State::Limited && finding.remedy.unwrap().ends_with("--page"));
        assert_eq!(port(Err(io::ErrorKind::PermissionDenied)).judge().state, State::Limited);
    }
}
