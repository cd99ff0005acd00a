//! stub
use super::*;
pub struct LegacyClient;
impl LegacyClient {
    pub fn open(_i: Option<&Message>, _d: &str, _a: bool, _c: &mut Vec<Action>) -> LegacyClient {
        LegacyClient
    }
}
impl Adapter for LegacyClient {
    fn from_client(&mut self, _m: &Message, _a: &mut Vec<Action>) {}
    fn from_server(&mut self, _l: Link, _m: &Message, _a: &mut Vec<Action>) {}
    fn wake(&mut self, _t: u64, _a: &mut Vec<Action>) {}
    fn end(&mut self, _a: &mut Vec<Action>) {}
}
pub fn discover_request(_i: &str, _m: Option<&Message>, _v: &str) -> Bytes {
    Bytes::new()
}
