// @ts-check
import { join } from 'node:path';

/** The in-memory logs of these subsystems together cost 15 % of the CPU. */
const QUIET =
  'osd bluestore bluefs bdev rocksdb ms mon paxos auth monc objecter filer rados rgw asok crush optracker heartbeatmap ' +
  'perfcounter throttle timer tp buffer context finisher objclass memdb kstore mgrc client';

/** @typedef {{ directory: string, id: string, monitorPort: number, osds: number }} Cluster */

/**
 * A small, fast Ceph on loopback, without a manager and without authentication between its daemons.
 * @param {Cluster} cluster
 */
export function cephConfig(cluster) {
  return [everywhere(cluster), monitor(cluster), disks(cluster), GATEWAY].join('');
}

/** @param {Cluster} cluster */
function everywhere({ directory, id, monitorPort, osds }) {
  const quiet = QUIET.split(' ').map((name) => `debug ${name} = 0/0`);
  return `[global]
fsid = ${id}
mon host = v2:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${directory}
admin socket =
log file = ${join(directory, '$name.log')}
crash dir = ${directory}
log to stderr = false
err to stderr = true
${quiet.join('\n')}
osd pool default size = ${osds}
osd pool default min size = ${Math.max(1, osds - 1)}
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon max pg per osd = 2000
`;
}

/** @param {Cluster} cluster */
function monitor({ directory }) {
  return `[mon]
mon data = ${join(directory, 'mon')}
mon cluster log file = ${join(directory, 'cluster.log')}
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 2
mon osd min down reporters = 1
mon osd reporter subtree level = osd
mon osd down out interval = 86400
mon warn on insecure global id reclaim allowed = false
paxos propose interval = 0.05
paxos min wait = 0.01
mon osd initial require min compat client = luminous
`;
}

/** @param {Cluster} cluster */
function disks({ directory }) {
  return `[osd]
osd data = ${join(directory, 'osd.$id')}
osd objectstore = bluestore
osd journal =
bluestore block create = true
# A sparse file.
bluestore block size = ${8 * 1024 ** 3}
# A disk that calls itself rotational would get each object twice.
bluestore prefer deferred size = 0
bluestore prefer deferred size hdd = 0
bluestore throttle cost per io = 4000
bluestore block db create = false
bluestore block wal create = false
bluestore cache autotune = false
bluestore cache size = ${64 * 1024 ** 2}
osd memory target = ${896 * 1024 ** 2}
osd recovery sleep = 0
osd delete sleep = 0
osd class update on start = false
osd crush update on start = true
osd heartbeat interval = 1
osd heartbeat grace = 6
osd op num shards = 2
osd op num threads per shard = 1
osd max pg log entries = 500
osd min pg log entries = 100
`;
}

const GATEWAY = `[client]
# The default is "secure", which needs authentication.
ms mon client mode = crc
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
rgw run sync thread = false
rgw enable quota threads = false
rgw dynamic resharding = false
rgw rados pool pg num min = 8
`;
