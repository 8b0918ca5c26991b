#!/bin/busybox sh
# The first process of the guest: loads the V4L2 devices, mounts the host's files under a layer in memory, runs a command.
/bin/busybox mkdir -p /proc /sys /dev /host /memory /root
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in virtio_pci 9pnet_virtio 9p overlay; do modprobe $module || echo "guest: no module $module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=1048576 host /host || echo "guest: no host"
mount -t tmpfs -o size=3g none /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work none /root || echo "guest: no overlay"
for place in dev proc sys; do mount -o bind /$place /root/$place; done
mkdir -p /dev/shm /dev/pts
mount -t tmpfs none /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /root/run
ip link set lo up
modprobe vivid n_devs=1 node_types=0x1 no_error_inj=0
insmod /lib/v4l2loopback.ko devices=2 video_nr=10,11 exclusive_caps=1,0 card_label=rtsod,plain
mkdir -p /root/run/guest
cp /lib/*.ko /root/run/guest/
chroot /root /bin/sh -c "$(cat /command)"
echo "guest: command ended with $?"
poweroff -f
