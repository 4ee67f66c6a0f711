//! What every plugin does, whatever it is.

use super::super::protocol::{Heard, ParameterError, Role, Say, Which};
use super::{Kit, Tried};

impl Kit<'_> {
    pub(super) async fn any(&mut self) {
        let tried = self.ends_with_its_input().await;
        self.say("end of input", "when its input ends it ends by itself, with exit status 0", tried);
        let tried = self.good().await;
        self.say(
            "validate",
            "`validate` with right parameters is answered by `validated` without `errors`",
            tried,
        );
        let tried = self.bad().await;
        let asks = "`validate` with wrong parameters is answered by `validated` with `errors`, each with a `message`";
        self.say("validate, wrong", asks, tried);
        let tried = self.unknown().await;
        self.say("unknown messages", "messages and fields that it does not know are passed over", tried);
    }

    fn which(&self) -> Which {
        match self.bench.role {
            Role::Step => Which::Step,
            Role::TargetManager => Which::Acquire,
            Role::Reporter => Which::Run,
        }
    }

    async fn ends_with_its_input(&mut self) -> Tried {
        let session = self.bench.open().await?;
        let tail = session.tail.clone();
        let (end, by_itself) = session.close(self.bench.patience).await;
        match (by_itself, end.exit.is_success()) {
            (true, true) => Ok(None),
            (true, false) => Err(tail.after(&format!("it ended: {}", end.exit))),
            (false, _) => Err("it did not end".to_owned()),
        }
    }

    async fn validated(
        &mut self,
        parameters: &serde_json::value::RawValue,
    ) -> Result<Vec<ParameterError>, String> {
        let mut session = self.bench.open().await?;
        let message = Say::Validate { which: self.which(), parameters };
        self.bench.send(&session, &message).await?;
        let answer = loop {
            match self.bench.next(&mut session, "`validated`").await? {
                Heard::Log { .. } => {}
                Heard::Validated { errors } => break errors,
                other => {
                    let why =
                        format!("it wrote a message `{}`, where `validated` was expected", other.kind());
                    return Err(session.wrong(&why).await);
                }
            }
        };
        session.close(self.bench.patience).await;
        Ok(answer)
    }

    async fn good(&mut self) -> Tried {
        let parameters = self.bench.parameters.clone();
        match self.validated(&parameters).await?.first() {
            None => Ok(None),
            Some(error) => Err(format!(
                "it does not take {}: {}; say with --parameters, or in `example` of its `hello`, what it takes",
                parameters.get(),
                error.message
            )),
        }
    }

    async fn bad(&mut self) -> Tried {
        let Some(parameters) = self.bench.bad_parameters.clone() else {
            let why =
                "no wrong parameters are known: --bad-parameters, or `bad_example` in its `hello`, says some";
            return Ok(Some(why.to_owned()));
        };
        let errors = self.validated(&parameters).await?;
        if errors.is_empty() {
            return Err(format!("it takes {}", parameters.get()));
        }
        match errors.iter().find(|error| error.message.trim().is_empty()) {
            Some(_) => Err("an error has an empty `message`".to_owned()),
            None => Ok(None),
        }
    }

    async fn unknown(&mut self) -> Tried {
        let mut session = self.bench.open().await?;
        session.input.raw(r#"{"type":"news_of_a_later_version","about":["anything"]}"#);
        let which = serde_json::to_string(&self.which()).unwrap_or_default();
        let parameters = self.bench.parameters.get();
        session.input.raw(&format!(
            r#"{{"a_new_field":{{}},"type":"validate","which":{which},"parameters":{parameters}}}"#
        ));
        loop {
            match self.bench.next(&mut session, "`validated`").await? {
                Heard::Log { .. } => {}
                Heard::Validated { .. } => break,
                other => {
                    let why =
                        format!("it wrote a message `{}`, where `validated` was expected", other.kind());
                    return Err(session.wrong(&why).await);
                }
            }
        }
        session.close(self.bench.patience).await;
        Ok(None)
    }
}
