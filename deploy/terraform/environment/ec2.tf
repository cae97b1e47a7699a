# Machines of the service: Docker, and nginx before both sides (deploy/release). Nobody logs in: AWS Systems Manager runs
# deliveries, and what is secret comes from its parameter store.
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

resource "aws_security_group" "balancer" {
  name        = "housing-${var.environment}-balancer"
  description = "Clients of the service"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "machine" {
  name        = "housing-${var.environment}-machine"
  description = "Machines of the service"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = { for pair in setproduct(var.client_cidrs, [443, 8443]) : join(" ", pair) => pair }
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = each.value[0]
  from_port         = each.value[1]
  to_port           = each.value[1]
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "to_machines" {
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.machine.id
  from_port                    = 3100
  to_port                      = 3101
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  security_group_id            = aws_security_group.machine.id
  referenced_security_group_id = aws_security_group.balancer.id
  from_port                    = 3100
  to_port                      = 3101
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "out" {
  for_each          = toset(["443", "5432"]) # AWS, the registry; PostgreSQL
  security_group_id = aws_security_group.machine.id
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
  ip_protocol       = "tcp"
}

resource "aws_instance" "machine" {
  for_each                    = var.machine_subnets
  ami                         = data.aws_ssm_parameter.image.value
  instance_type               = var.instance_type
  subnet_id                   = each.value
  vpc_security_group_ids      = [aws_security_group.machine.id]
  iam_instance_profile        = aws_iam_instance_profile.machine.name
  user_data                   = templatefile("${path.module}/machine.sh.tftpl", { environment = var.environment })
  user_data_replace_on_change = false
  monitoring                  = true
  ebs_optimized               = true

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # containers have no business with the machine's role
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 40
    encrypted   = true
  }

  tags = { Name = "housing-${var.environment}-${each.key}", housing-environment = var.environment }

  lifecycle {
    ignore_changes = [ami] # a machine with records on its disk is not replaced because there is a newer image
  }
}

resource "aws_lb" "service" {
  name                             = "housing-${var.environment}"
  load_balancer_type               = "network"
  subnets                          = var.balancer_subnets
  security_groups                  = [aws_security_group.balancer.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.environment == "production"
}

locals {
  protocols = {
    http = { port = 3100, listen = 443, alpn = null }
    grpc = { port = 3101, listen = 8443, alpn = "HTTP2Only" }
  }
  targets = { for pair in setproduct(keys(local.protocols), keys(var.machine_subnets)) : join("-", pair) => pair }
}

resource "aws_lb_target_group" "service" {
  for_each             = local.protocols
  name                 = "housing-${var.environment}-${each.key}"
  port                 = each.value.port
  protocol             = "TCP"
  vpc_id               = var.vpc_id
  deregistration_delay = 30

  health_check {
    protocol = "HTTP"
    port     = "3100"
    path     = "/readyz"
    interval = 10
  }
}

resource "aws_lb_target_group_attachment" "service" {
  for_each         = local.targets
  target_group_arn = aws_lb_target_group.service[each.value[0]].arn
  target_id        = aws_instance.machine[each.value[1]].id
}

resource "aws_lb_listener" "service" {
  for_each          = local.protocols
  load_balancer_arn = aws_lb.service.arn
  port              = each.value.listen
  protocol          = "TLS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  alpn_policy       = each.value.alpn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.service[each.key].arn
  }
}
