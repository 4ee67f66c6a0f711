//! `sshcmd` with a password, against a stand-in for a server: a real one asks the system for passwords, and a test may not
//! set one there.

use std::sync::Arc;

use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, Config, Handler, Msg, Response, Server as _, Session};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use serde_json::json;

use super::lab::{Lab, job, step, test};

/// Lets in whoever says `secret`; every command prints its own line and ends well.
#[derive(Clone)]
struct StandIn {
    /// Asks questions instead of taking a password.
    asks: bool,
}

impl russh::server::Server for StandIn {
    type Handler = StandIn;

    fn new_client(&mut self, _peer: Option<std::net::SocketAddr>) -> StandIn {
        self.clone()
    }
}

fn refused() -> Auth {
    Auth::Reject { proceed_with_methods: None, partial_success: false }
}

impl Handler for StandIn {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(if !self.asks && password == "secret" { Auth::Accept } else { refused() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut answers) = response else {
            let prompts = vec![("Password: ".into(), false)].into();
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts });
        };
        let is_right = answers.next().is_some_and(|answer| answer.as_ref() == b"secret");
        Ok(if self.asks && is_right { Auth::Accept } else { refused() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: russh::server::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        session.data(channel, data.to_vec())?;
        session.exit_status_request(channel, 0)?;
        session.close(channel)
    }
}

/// Starts it; its port.
async fn start(asks: bool) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    let mut methods = MethodSet::empty();
    methods.push(if asks { MethodKind::KeyboardInteractive } else { MethodKind::Password });
    let config = Config {
        keys: vec![key],
        methods,
        auth_rejection_time: std::time::Duration::ZERO,
        ..Config::default()
    };
    tokio::spawn(async move { StandIn { asks }.run_on_socket(Arc::new(config), &listener).await });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_given_or_answered_with_and_a_wrong_one_is_refused() {
    let lab = Lab::new();
    for asks in [false, true] {
        let port = start(asks).await;
        for (password, lets_in) in [("secret", true), ("guess", false)] {
            let parameters = json!({
                "host": ["127.0.0.1"], "port": [port], "user": ["me"], "password": [password],
                "executable": ["show"], "args": ["{{ .ID }}"], "check_host_key": [false]
            });
            let ran = lab.run(&job(vec![test("t", &["T1"], vec![step("sshcmd", "s", parameters)])])).await;
            if lets_in {
                assert_eq!(
                    (ran.errors(), ran.text(oyez_model::event::Stream::Stdout)),
                    (vec![], b"show T1".to_vec())
                );
            } else {
                let error = ran.errors().remove(0);
                assert!(
                    error.contains("ssh: unable to authenticate as 'me', attempted methods [password]"),
                    "{error}"
                );
            }
        }
    }
}
