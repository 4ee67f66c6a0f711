//! `waitport`, `s3fileupload`: steps that go over the network.

use super::{Parameters, Planner};
use crate::plan::{Protocol, S3FileUploadParameters, StepKind, WaitPortParameters};

impl Planner<'_> {
    pub(super) fn waitport(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&["target", "port", "protocol", "check_interval", "timeout"]);
        let target = match parameters.step.values("target") {
            [] => None,
            [target] => {
                self.inspect(target, &parameters.path.field("target"), parameters.sink);
                Some(target.clone())
            }
            _ => {
                let path = parameters.path.field("target");
                parameters.sink.error(&path, "0 or 1 'target' parameters should be provided");
                None
            }
        };
        let port = port(parameters);
        let protocol = protocol(parameters);
        let timeout = parameters.duration("timeout");
        let check_interval = parameters.duration("check_interval");
        if check_interval.is_some_and(|interval| interval.0 <= 0) {
            let path = parameters.path.field("check_interval");
            parameters.sink.warning(&path, "without a pause it is tried 100 times a second");
        }
        let (port, protocol) = (port?, protocol?);
        let (check_interval, timeout) = (check_interval?, timeout?);
        Some(StepKind::WaitPort(WaitPortParameters { target, port, protocol, check_interval, timeout }))
    }

    pub(super) fn s3fileupload(&self, parameters: &mut Parameters<'_>) -> Option<StepKind> {
        parameters.known(&[
            "path",
            "filename",
            "s3region",
            "s3bucket",
            "s3path",
            "s3credfile",
            "s3credprofile",
            "compgzip",
            "s3endpoint",
            "s3acl",
        ]);
        let mut needed = |name: &str| {
            let message = format!("missing or empty '{name}' parameter");
            parameters.needed(name, &message)
        };
        let (path, filename) = (needed("path"), needed("filename"));
        let (region, bucket, folder) = (needed("s3region"), needed("s3bucket"), needed("s3path"));
        for (name, parameter) in [("path", &path), ("filename", &filename)] {
            if let Some(parameter) = parameter {
                self.inspect(parameter, &parameters.path.field(name), parameters.sink);
            }
        }
        for name in ["s3credfile", "s3credprofile", "compgzip", "s3endpoint", "s3acl"] {
            parameters.only_one(name);
        }
        let compress = parameters.bool("compgzip");
        let text = |name: &str| parameters.step.one(name).into_owned();
        let acl = match parameters.step.values("s3acl") {
            [] => "public-read".to_owned(),
            _ => text("s3acl"),
        };
        Some(StepKind::S3FileUpload(Box::new(S3FileUploadParameters {
            path: path?,
            filename: filename?,
            region: region?.text().into_owned(),
            bucket: bucket?.text().into_owned(),
            folder: folder?.text().into_owned(),
            credentials_file: text("s3credfile"),
            profile: text("s3credprofile"),
            compress: compress?,
            endpoint: text("s3endpoint"),
            acl,
        })))
    }
}

fn port(parameters: &mut Parameters<'_>) -> Option<u16> {
    parameters.only_one("port");
    let path = parameters.path.field("port");
    let number = match parameters.int("port") {
        Ok(number) => number,
        Err(_) if parameters.sink.has_error_at(&path) || parameters.sink.has_error_at(parameters.path) => {
            return None;
        }
        Err(why) => {
            let message = format!("failed to parse 'port' parameter: {why}");
            parameters.sink.error(&path, message).hint("write \"port\": [22]");
            return None;
        }
    };
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    if port.is_none() {
        let message =
            format!("'port' parameter should be a positive integer that is less than 65535, got: '{number}'");
        parameters.sink.error(&path, message);
    }
    port
}

fn protocol(parameters: &mut Parameters<'_>) -> Option<Protocol> {
    let path = parameters.path.field("protocol");
    let [value] = parameters.step.values("protocol") else {
        parameters.missing("protocol", "a single 'protocol' should be provided", "\"protocol\": [\"tcp\"]");
        return None;
    };
    let name = value.text().to_lowercase();
    let found = Protocol::ALL.into_iter().find(|(known, _)| *known == name);
    if found.is_none() {
        let known: Vec<_> = Protocol::ALL.into_iter().map(|(name, _)| name).collect();
        let message = format!("'protocol' should be one of [{}]", known.join(", "));
        parameters.sink.error(&path, message);
    }
    found.map(|(_, protocol)| protocol)
}
