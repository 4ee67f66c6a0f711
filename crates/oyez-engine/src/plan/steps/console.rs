//! `terminalexpect`, `qemu`: steps that read what a machine prints.

use super::{Parameters, Planner};
use crate::descriptor::Parameter;
use crate::duration::GoDuration;
use crate::plan::{QemuParameters, StepKind, TerminalExpectParameters};

impl Planner<'_> {
    pub(super) fn terminalexpect(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["port", "speed", "match", "timeout"]);
        let needed =
            |name: &str| format!("invalid or missing '{name}' parameter, must be exactly one string");
        let port = parameters.needed("port", &needed("port"));
        let speed = speed(parameters);
        let r#match = parameters.needed("match", &needed("match"));
        for (name, parameter) in [("port", &port), ("match", &r#match)] {
            if let Some(parameter) = parameter {
                self.inspect(parameter, &parameters.path.field(name), parameters.sink);
            }
        }
        let timeout = parameters.needed("timeout", &needed("timeout")).and_then(|timeout| {
            let text = timeout.text();
            let parsed = text.parse::<GoDuration>();
            let said = |_| {
                let message = format!("invalid terminal timeout {text}");
                let hint = "write a duration with its unit: \"30s\"";
                parameters.sink.error(&parameters.path.field("timeout"), message).hint(hint);
            };
            parsed.map_err(said).ok()
        });
        let (port, speed, r#match, timeout) = (port?, speed?, r#match?, timeout?);
        Some(StepKind::TerminalExpect(TerminalExpectParameters { port, speed, r#match, timeout }))
    }

    pub(super) fn qemu(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        const ONE: [&str; 7] = ["executable", "firmware", "nproc", "mem", "image", "logfile", "timeout"];
        let known: Vec<_> = ONE.into_iter().chain(["steps"]).collect();
        parameters.known(&known);
        let executable = parameters.needed("executable", "No Qemu executable given");
        let firmware = parameters.needed("firmware", "Missing 'firmware' field in qemu parameters");
        let mut optional = |name: &str| {
            parameters.only_one(name);
            parameters.given(name)
        };
        let (nproc, mem, image) = (optional("nproc"), optional("mem"), optional("image"));
        let (logfile, timeout) = (optional("logfile"), optional("timeout"));
        for name in ONE {
            if let Some(parameter) = parameters.given(name) {
                self.inspect(&parameter, &parameters.path.field(name), parameters.sink);
            }
        }
        let steps: Vec<Parameter> = parameters.step.values("steps").to_vec();
        for (i, step) in steps.iter().enumerate() {
            self.inspect(step, &parameters.path.field("steps").item(i), parameters.sink);
        }
        let (executable, firmware) = (executable?, firmware?);
        let planned = QemuParameters { executable, firmware, nproc, mem, image, logfile, timeout, steps };
        Some(StepKind::Qemu(Box::new(planned)))
    }
}

fn speed(parameters: &mut Parameters<'_>) -> Option<u32> {
    parameters.only_one("speed");
    let path = parameters.path.field("speed");
    let number = match parameters.int("speed") {
        Ok(number) => number,
        Err(_) if parameters.sink.has_error_at(&path) || parameters.sink.has_error_at(parameters.path) => {
            return None;
        }
        Err(why) => {
            let message = format!("invalid or missing 'speed' parameter: {why}");
            parameters.sink.error(&path, message).hint("write \"speed\": [115200]");
            return None;
        }
    };
    let speed = u32::try_from(number).ok().filter(|speed| *speed > 0);
    if speed.is_none() {
        parameters.sink.error(&path, format!("invalid or missing 'speed' parameter: {number} baud"));
    }
    speed
}
