//! Programs of other machines, over ssh: connecting and proving who we are, then sessions.
//!
//! Unlike ConTest, a host must be known (`hosts`): who tests machines in a lab types passwords into scripts, and a
//! wrong machine that answers under a name gets them.

mod hosts;
mod quote;
mod session;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{MethodKind, Preferred};

use crate::fetch::read_file;
use hosts::KnownHosts;

pub(super) use quote::join;
pub(super) use session::{Expect, RemoteEnd, Session, Stopping, Way};

/// The longest key file.
const LONGEST_KEY: u64 = 1 << 20;
/// A server that says nothing for so long is asked whether it is there,
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// and given up when it has not answered so many times.
const UNANSWERED: usize = 4;
/// An agent that does not answer is not waited for longer.
const AGENT: Duration = Duration::from_secs(10);

/// Where to log in, and with what.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// A private key; empty for none.
    pub(super) key_file: String,
    /// Empty for none.
    pub(super) password: String,
    /// Whether the host must be known.
    pub(super) check_host_key: bool,
    /// The file of known hosts; empty for the user's own and the system's.
    pub(super) known_hosts: String,
}

impl Login {
    /// As Go writes an address: `[::1]:22`.
    pub(super) fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// In ConTest's words, where it has any.
    pub(super) async fn connect(&self) -> Result<Session, String> {
        let key = match self.key_file.as_str() {
            "" => None,
            file => Some(read_key(file.to_owned()).await?),
        };
        let address = self.address();
        let failed = |why: String| format!("cannot connect to SSH server {address}: {why}");
        let mut handle = self.handshake().await.map_err(failed)?;
        self.authenticate(&mut handle, key).await.map_err(failed)?;
        Ok(Session::new(handle))
    }

    async fn handshake(&self) -> Result<Handle<Client>, String> {
        let known = match self.check_host_key {
            true => Some(self.known().await?),
            false => None,
        };
        let mut preferred = Preferred::default();
        if let Some(known) = &known {
            // Of its keys the server is to show one that is known.
            let mut algorithms = preferred.key.to_vec();
            algorithms.sort_by_key(|algorithm| !known.has(algorithm));
            preferred.key = Cow::Owned(algorithms);
        }
        let config = client::Config {
            preferred,
            keepalive_interval: Some(KEEP_ALIVE),
            keepalive_max: UNANSWERED,
            nodelay: true,
            ..client::Config::default()
        };
        let refused = Arc::new(Mutex::new(None));
        let client = Client { known, refused: refused.clone() };
        let connected = client::connect(Arc::new(config), (self.host.as_str(), self.port), client).await;
        connected.map_err(|e| {
            let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            refused.unwrap_or_else(|| told(&e))
        })
    }

    async fn known(&self) -> Result<KnownHosts, String> {
        let files = match self.known_hosts.as_str() {
            "" => hosts::usual_files(),
            file => vec![PathBuf::from(file)],
        };
        let must_exist = !self.known_hosts.is_empty();
        let (host, port) = (self.host.clone(), self.port);
        let reading = tokio::task::spawn_blocking(move || KnownHosts::read(&files, &host, port, must_exist));
        reading.await.map_err(|e| e.to_string())?
    }

    /// With the key, then the password; with the agent when there is neither.
    async fn authenticate(&self, handle: &mut Handle<Client>, key: Option<PrivateKey>) -> Result<(), String> {
        let mut tried = Vec::new();
        let mut refused = String::new();
        if let Some(key) = &key {
            tried.push("publickey");
            let hash = handle.best_supported_rsa_hash().await.map_err(|e| told(&e))?.flatten();
            let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), hash);
            let answer = handle.authenticate_publickey(&self.user, key).await.map_err(|e| told(&e))?;
            match answer {
                AuthResult::Success => return Ok(()),
                AuthResult::Failure { remaining_methods, .. } => refused = offered(&remaining_methods),
            }
        }
        if !self.password.is_empty() {
            tried.push("password");
            let answer = handle.authenticate_password(&self.user, &self.password).await;
            match answer.map_err(|e| told(&e))? {
                AuthResult::Success => return Ok(()),
                AuthResult::Failure { remaining_methods, .. } => {
                    refused = offered(&remaining_methods);
                    if remaining_methods.contains(&MethodKind::KeyboardInteractive)
                        && self.answer(handle).await?
                    {
                        return Ok(());
                    }
                }
            }
        }
        if tried.is_empty() {
            tried.push("agent");
            if agent(handle, &self.user).await? {
                return Ok(());
            }
        }
        Err(format!(
            "ssh: unable to authenticate as '{}', attempted methods [{}], no supported methods remain{refused}",
            self.user,
            tried.join(" ")
        ))
    }

    /// Answers each question of the server with the password: what servers ask that do not take it directly.
    async fn answer(&self, handle: &mut Handle<Client>) -> Result<bool, String> {
        const MOST_ROUNDS: usize = 4;
        let mut answer =
            handle.authenticate_keyboard_interactive_start(&self.user, None).await.map_err(|e| told(&e))?;
        for _ in 0..MOST_ROUNDS {
            let prompts = match answer {
                KeyboardInteractiveAuthResponse::Success => return Ok(true),
                KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts.len(),
            };
            let responses = vec![self.password.clone(); prompts];
            answer =
                handle.authenticate_keyboard_interactive_respond(responses).await.map_err(|e| told(&e))?;
        }
        Ok(false)
    }
}

fn offered(methods: &russh::MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(Into::into).collect();
    if names.is_empty() { String::new() } else { format!(" (the server offers {})", names.join(", ")) }
}

async fn read_key(file: String) -> Result<PrivateKey, String> {
    let reading = tokio::task::spawn_blocking(move || {
        let bytes = read_file(std::path::Path::new(&file), LONGEST_KEY);
        let bytes = bytes.map_err(|why| format!("cannot read private key at {file}: {why}"))?;
        let text =
            String::from_utf8(bytes).map_err(|_| "cannot parse private key: it is no text".to_owned())?;
        decode_secret_key(&text, None).map_err(|e| format!("cannot parse private key: {e}"))
    });
    reading.await.map_err(|e| e.to_string())?
}

/// The keys of the user's agent, one after another.
async fn agent(handle: &mut Handle<Client>, user: &str) -> Result<bool, String> {
    /// A server refuses more anyway.
    const MOST_KEYS: usize = 20;
    let wait = async {
        let mut agent = AgentClient::connect_env()
            .await
            .map_err(|e| format!("there is neither a key nor a password, and no ssh agent to ask: {e}"))?;
        let keys = agent.request_identities().await.map_err(|e| format!("the ssh agent: {e}"))?;
        Ok::<_, String>((agent, keys))
    };
    let (mut agent, keys) =
        tokio::time::timeout(AGENT, wait).await.map_err(|_| "the ssh agent does not answer".to_owned())??;
    let hash = handle.best_supported_rsa_hash().await.map_err(|e| told(&e))?.flatten();
    for key in keys.into_iter().take(MOST_KEYS) {
        let AgentIdentity::PublicKey { key, .. } = key else { continue };
        let answer = handle.authenticate_publickey_with(user, key, hash, &mut agent).await;
        if answer.map_err(|e| format!("the ssh agent: {e}"))?.success() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a library says, with the number of the system's error left out.
fn told(e: &russh::Error) -> String {
    let said = match e {
        russh::Error::IO(e) => format!("dial tcp: {e}"),
        other => other.to_string(),
    };
    said.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Our side of a connection.
#[derive(Debug)]
pub(super) struct Client {
    /// Keys that the host may have; without them any.
    known: Option<KnownHosts>,
    /// Why its key was refused.
    refused: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let Some(known) = &self.known else { return Ok(true) };
        let answer = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => known.check(key),
            PublicKeyOrCertificate::Certificate(_) => {
                Err("the host shows a certificate instead of a key".to_owned())
            }
        };
        let Err(why) = answer else { return Ok(true) };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        Ok(false)
    }
}
