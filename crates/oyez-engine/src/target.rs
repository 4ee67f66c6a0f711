//! The device, host or browser under test, as a target manager hands it out.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::value::RawValue;

/// A target. Serialised as ConTest does: what is not set is left out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Target {
    /// Its identity; never blank.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its fully qualified name; may be empty.
    #[serde(rename = "FQDN", skip_serializing_if = "String::is_empty")]
    pub fqdn: String,
    /// Its IPv4 address. ConTest does not check the family, so any address may stand here.
    #[serde(rename = "PrimaryIPv4", skip_serializing_if = "Option::is_none")]
    pub primary_ipv4: Option<IpAddr>,
    /// Its IPv6 address; see above.
    #[serde(rename = "PrimaryIPv6", skip_serializing_if = "Option::is_none")]
    pub primary_ipv6: Option<IpAddr>,
    /// What its target manager wants back at release, as JSON.
    #[serde(rename = "TMS", skip_serializing_if = "Option::is_none")]
    pub manager_state: Option<Box<RawValue>>,
}

impl fmt::Display for Target {
    /// ConTest's form: `Target{ID: "T1", FQDN: "t1.example.org"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target{{ID: \"{}\"", self.id)?;
        if !self.fqdn.is_empty() {
            write!(f, ", FQDN: \"{}\"", self.fqdn)?;
        }
        if let Some(address) = self.primary_ipv4 {
            write!(f, ", PrimaryIPv4: \"{address}\"")?;
        }
        if let Some(address) = self.primary_ipv6 {
            write!(f, ", PrimaryIPv6: \"{address}\"")?;
        }
        if let Some(state) = &self.manager_state {
            write!(f, ", TMS: \"{state}\"")?;
        }
        f.write_str("}")
    }
}

/// Reads an address as Go's `net.IP` reads its JSON text: empty is none; an IPv4 address in IPv6 clothes is an
/// IPv4 address.
pub(crate) fn parse_address(text: &str) -> Result<Option<IpAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(Some(address.to_canonical())),
        Err(_) => Err(format!("invalid IP address: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_like_contests() {
        let mut target = Target { id: "T1".into(), ..Target::default() };
        assert_eq!(target.to_string(), "Target{ID: \"T1\"}");
        assert_eq!(serde_json::to_string(&target).unwrap(), "{\"ID\":\"T1\"}");
        target.fqdn = "t1.example.org".into();
        target.primary_ipv4 = parse_address("::ffff:1.2.3.4").unwrap();
        assert_eq!(
            target.to_string(),
            "Target{ID: \"T1\", FQDN: \"t1.example.org\", PrimaryIPv4: \"1.2.3.4\"}"
        );
        assert_eq!(
            serde_json::to_string(&target).unwrap(),
            "{\"ID\":\"T1\",\"FQDN\":\"t1.example.org\",\"PrimaryIPv4\":\"1.2.3.4\"}"
        );
        assert_eq!(parse_address("1.2.3").unwrap_err(), "invalid IP address: 1.2.3");
        assert_eq!(parse_address("").unwrap(), None);
    }
}
