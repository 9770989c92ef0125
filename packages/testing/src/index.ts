export { startTcpProxy, type TcpProxy } from './network/tcp-proxy.ts'
