"""Registration: the rigid transformation that brings one point cloud onto another."""
